"""What the dashboard of a moved application shows of one side: its database, its containers, its load balancer."""

import pulumi

from components import ApplicationService, TargetDatabase
from components.monitoring_suite import ChartArgs, MetricArgs


def side(
    name: str, region: pulumi.Input[str], database: TargetDatabase, service: ApplicationService
) -> list[ChartArgs]:
    """Return the charts of the side `name`, source or target."""
    title = name.capitalize()

    def stored(metric: str) -> MetricArgs:
        return {"namespace": "AWS/RDS", "name": metric, "dimensions": {database.dimension: database.identifier}}

    tasks = {"ClusterName": service.cluster_name, "ServiceName": service.service_name}
    balancer = {"LoadBalancer": service.load_balancer_name}
    targets = {**balancer, "TargetGroup": service.target_group_name}

    def ran(metric: str, namespace: str = "AWS/ECS") -> MetricArgs:
        return {"namespace": namespace, "name": metric, "dimensions": dict(tasks)}

    def served(metric: str, dimensions: dict[str, pulumi.Output[str]], statistic: str) -> MetricArgs:
        return {
            "namespace": "AWS/ApplicationELB",
            "name": metric,
            "dimensions": dict(dimensions),
            "statistic": statistic,
        }

    return [
        {
            "title": f"{title}: database connections and CPU (%)",
            "region": region,
            "metrics": [stored("DatabaseConnections"), stored("CPUUtilization")],
        },
        {
            "title": f"{title}: database IOPS",
            "region": region,
            "metrics": [stored("ReadIOPS"), stored("WriteIOPS")],
        },
        {
            "title": f"{title}: tasks",
            "region": region,
            "metrics": [
                ran("RunningTaskCount", "ECS/ContainerInsights"),
                ran("DesiredTaskCount", "ECS/ContainerInsights"),
            ],
        },
        {
            "title": f"{title}: CPU and memory of the tasks (%)",
            "region": region,
            "metrics": [ran("CPUUtilization"), ran("MemoryUtilization")],
        },
        {
            "title": f"{title}: healthy and unhealthy tasks",
            "region": region,
            "metrics": [
                served("HealthyHostCount", targets, "Minimum"),
                served("UnHealthyHostCount", targets, "Maximum"),
            ],
        },
        {
            "title": f"{title}: requests and errors",
            "region": region,
            "metrics": [
                served("RequestCount", balancer, "Sum"),
                served("HTTPCode_Target_5XX_Count", balancer, "Sum"),
                served("HTTPCode_ELB_5XX_Count", balancer, "Sum"),
            ],
        },
    ]
