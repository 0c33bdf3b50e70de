"""An application on Fargate behind a load balancer: its cluster, tasks, service, scaling, roles and logs."""

from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import application_task, checks, load_balancer, security_groups
from components.application_task import TaskPlan
from components.load_balancer import BalancerPlan, DeclaredBalancer
from components.security_groups import ANYWHERE, Direction, Egress, Ingress, Peer

DEFAULT_CONTAINER_PORT = 8080
DEFAULT_HEALTH_PATH = "/health"
DEFAULT_CPU, DEFAULT_MEMORY_MB = 512, 1024
DEFAULT_ARCHITECTURE = "x86_64"
DEFAULT_USER = "1000:1000"
DEFAULT_TASKS = (2, 6)
DEFAULT_CPU_PERCENT, DEFAULT_MEMORY_PERCENT = 60, 70
DEFAULT_LOG_RETENTION_DAYS = 30
GRACE_SECONDS = 60
SCALE_IN_SECONDS, SCALE_OUT_SECONDS = 300, 60
HTTPS = 443
CONTAINER = "app"


class ServiceDatabaseArgs(TypedDict):
    """The database the containers use."""

    host: pulumi.Input[str]
    """Name to connect to."""
    port: pulumi.Input[int]
    """Port to connect to."""
    name: pulumi.Input[str]
    """Name of the database."""
    secret_arn: pulumi.Input[str]
    """Secret with username and password."""
    security_group_id: pulumi.Input[str]
    """Security group whose members may reach the database: the tasks join it."""


class ApplicationServiceArgs(TypedDict):
    """What ApplicationService needs."""

    region: pulumi.Input[str]
    """AWS region."""
    account_id: pulumi.Input[str]
    """AWS account, twelve digits."""
    short_name: str
    """Name of load balancer and target group, at most 29 characters."""
    vpc_id: pulumi.Input[str]
    """VPC of it all."""
    public_subnet_ids: pulumi.Input[list[str]]
    """Subnets of the load balancer."""
    application_subnet_ids: pulumi.Input[list[str]]
    """Private subnets of the tasks."""
    certificate_arn: pulumi.Input[str]
    """Certificate of the HTTPS listener, in ACM of this region."""
    log_bucket: pulumi.Input[str]
    """Bucket of this region that takes the load balancer's access logs."""
    kms_key_arn: pulumi.Input[str]
    """Key that encrypts logs, the database's secret and the bucket of transaction logs."""
    image: str
    """Container image with tag or digest. In ECR, the tasks may pull just this repository."""
    database: ServiceDatabaseArgs
    """The database the containers use."""
    transaction_log_bucket_arn: pulumi.Input[str]
    """Bucket the containers write transaction logs to."""
    container_port: NotRequired[int]
    """Port the container listens on, above 1023. Default 8080."""
    health_path: NotRequired[str]
    """Path that answers 200 where the container is well. Default /health."""
    environment: NotRequired[dict[str, str]]
    """Variables of the container, none of them secret."""
    cpu: NotRequired[int]
    """CPU units of a task. Default 512."""
    memory_mb: NotRequired[int]
    """Memory of a task in MiB. Default 1024."""
    architecture: NotRequired[str]
    """x86_64 or arm64. Default x86_64."""
    user: NotRequired[str]
    """User and group the container runs as, by number. Default 1000:1000."""
    minimum_tasks: NotRequired[int]
    """Tasks there always are. Default 2."""
    maximum_tasks: NotRequired[int]
    """Tasks there are at most. Default 6."""
    cpu_percent: NotRequired[int]
    """CPU use that scaling aims at. Default 60."""
    memory_percent: NotRequired[int]
    """Memory use that scaling aims at. Default 70."""
    deletion_protection: NotRequired[bool]
    """Refuse to delete the load balancer. Default true."""
    log_retention_days: NotRequired[int]
    """Days the containers' logs are kept. Default 30."""
    tags: NotRequired[dict[str, str]]
    """Tags for every resource."""


class ApplicationService(pulumi.ComponentResource):
    """A Fargate service of the private subnets behind a load balancer of the public ones."""

    cluster_name: pulumi.Output[str]
    """Name of the cluster."""
    service_name: pulumi.Output[str]
    """Name of the service."""
    load_balancer_arn: pulumi.Output[str]
    """ARN of the load balancer."""
    load_balancer_name: pulumi.Output[str]
    """Dimension LoadBalancer of its metrics."""
    load_balancer_dns_name: pulumi.Output[str]
    """DNS name of the load balancer."""
    load_balancer_zone_id: pulumi.Output[str]
    """Zone of that name, which an alias record needs."""
    target_group_arn: pulumi.Output[str]
    """ARN of the target group."""
    target_group_name: pulumi.Output[str]
    """Dimension TargetGroup of its metrics."""

    def __init__(self, name: str, args: ApplicationServiceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("migration:index:ApplicationService", name, None, opts)
        self._name = name
        self._args = args
        self._child = pulumi.ResourceOptions(parent=self)
        self._tags = args.get("tags", {})
        self._port = checks.whole("container_port", args.get("container_port", DEFAULT_CONTAINER_PORT), 1024, 65535)
        self._tasks = (
            checks.whole("minimum_tasks", args.get("minimum_tasks", DEFAULT_TASKS[0]), 1, 1000),
            checks.whole("maximum_tasks", args.get("maximum_tasks", DEFAULT_TASKS[1]), 1, 1000),
        )
        if self._tasks[1] < self._tasks[0]:
            raise checks.ArgumentError(f"maximum_tasks is {self._tasks[1]}: write {self._tasks[0]} or more")
        checks.within("length of short_name", len(args["short_name"]), 1, load_balancer.NAME_LIMIT - len("-lb"))
        balancer = self._balancer()
        cluster = aws.ecs.Cluster(
            f"{name}-cluster",
            name=name,
            settings=[{"name": "containerInsights", "value": "enabled"}],
            tags=checks.tags_for(self._tags, name),
            opts=self._child,
        )
        service = self._service(cluster, balancer)
        self._scaling(cluster, service)

        self.cluster_name = cluster.name
        self.service_name = service.name
        self.load_balancer_arn = balancer.balancer.arn
        self.load_balancer_name = balancer.balancer.arn_suffix
        self.load_balancer_dns_name = balancer.balancer.dns_name
        self.load_balancer_zone_id = balancer.balancer.zone_id
        self.target_group_arn = balancer.target_group.arn
        self.target_group_name = balancer.target_group.arn_suffix
        self.register_outputs(
            {
                "cluster_name": self.cluster_name,
                "service_name": self.service_name,
                "load_balancer_arn": self.load_balancer_arn,
                "load_balancer_name": self.load_balancer_name,
                "load_balancer_dns_name": self.load_balancer_dns_name,
                "load_balancer_zone_id": self.load_balancer_zone_id,
                "target_group_arn": self.target_group_arn,
                "target_group_name": self.target_group_name,
            }
        )

    def _balancer(self) -> DeclaredBalancer:
        args = self._args
        return load_balancer.declare(
            BalancerPlan(
                name=self._name,
                short_name=args["short_name"],
                vpc_id=args["vpc_id"],
                subnet_ids=args["public_subnet_ids"],
                certificate_arn=args["certificate_arn"],
                log_bucket=args["log_bucket"],
                container_port=self._port,
                health_path=args.get("health_path", DEFAULT_HEALTH_PATH),
                deletion_protection=args.get("deletion_protection", True),
                options=self._child,
                tags=self._tags,
            )
        )

    def _task_group(self, balancer: DeclaredBalancer) -> aws.ec2.SecurityGroup:
        """Make the tasks' security group: in from the load balancer, out to AWS's services."""
        name = f"{self._name}-tasks"
        group = aws.ec2.SecurityGroup(
            f"{name}-group",
            name=name,
            description="Tasks of the application: reached from the load balancer",
            vpc_id=self._args["vpc_id"],
            tags=checks.tags_for(self._tags, name),
            opts=self._child,
        )

        front = balancer.security_group
        self._rule(Ingress, "tasks-from-balancer", group, self._port, front)
        self._rule(Egress, "balancer-to-tasks", front, self._port, group)
        self._rule(Egress, "tasks-to-services", group, HTTPS, ANYWHERE)
        return group

    def _rule(self, kind: Direction, title: str, group: aws.ec2.SecurityGroup, port: int, peer: Peer) -> None:
        name = f"{self._name}-{title}"
        tags, text = checks.tags_for(self._tags, name), title.replace("-", " ")
        security_groups.rule(kind, name, group.id, port, peer, description=text, tags=tags, opts=self._child)

    def _service(self, cluster: aws.ecs.Cluster, balancer: DeclaredBalancer) -> aws.ecs.Service:
        name, args = self._name, self._args
        task, rights = application_task.declare(self._task_plan())
        return aws.ecs.Service(
            f"{name}-service",
            name=name,
            cluster=cluster.arn,
            task_definition=task.arn,
            launch_type="FARGATE",
            desired_count=self._tasks[0],
            deployment_minimum_healthy_percent=100,
            deployment_maximum_percent=200,
            deployment_circuit_breaker={"enable": True, "rollback": True},
            enable_ecs_managed_tags=True,
            propagate_tags="SERVICE",
            health_check_grace_period_seconds=GRACE_SECONDS,
            network_configuration={
                "subnets": args["application_subnet_ids"],
                "security_groups": [self._task_group(balancer).id, args["database"]["security_group_id"]],
                "assign_public_ip": False,
            },
            load_balancers=[
                {
                    "target_group_arn": balancer.target_group.arn,
                    "container_name": CONTAINER,
                    "container_port": self._port,
                }
            ],
            tags=checks.tags_for(self._tags, name),
            # How many tasks there are is the scaling's to say.
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=[balancer.https, rights], ignore_changes=["desiredCount"]
            ),
        )

    def _task_plan(self) -> TaskPlan:
        args = self._args
        architecture = args.get("architecture", DEFAULT_ARCHITECTURE)
        return TaskPlan(
            name=self._name,
            region=args["region"],
            account_id=args["account_id"],
            kms_key_arn=args["kms_key_arn"],
            image=args["image"],
            container=CONTAINER,
            port=self._port,
            user=args.get("user", DEFAULT_USER),
            cpu=int(args.get("cpu", DEFAULT_CPU)),
            memory_mb=int(args.get("memory_mb", DEFAULT_MEMORY_MB)),
            architecture=checks.one_of("architecture", architecture, application_task.ARCHITECTURES),
            variables=args.get("environment", {}),
            database_host=args["database"]["host"],
            database_port=args["database"]["port"],
            database_name=args["database"]["name"],
            secret_arn=args["database"]["secret_arn"],
            bucket_arn=args["transaction_log_bucket_arn"],
            log_retention_days=int(args.get("log_retention_days", DEFAULT_LOG_RETENTION_DAYS)),
            options=self._child,
            tags=self._tags,
        )

    def _scaling(self, cluster: aws.ecs.Cluster, service: aws.ecs.Service) -> None:
        """Follow CPU and memory between the fewest and the most tasks."""
        name, args = self._name, self._args
        least, most = self._tasks
        target = aws.appautoscaling.Target(
            f"{name}-scaling",
            service_namespace="ecs",
            scalable_dimension="ecs:service:DesiredCount",
            resource_id=pulumi.Output.concat("service/", cluster.name, "/", service.name),
            min_capacity=least,
            max_capacity=most,
            tags=checks.tags_for(self._tags, f"{name}-scaling"),
            opts=self._child,
        )
        wanted = {
            "cpu": ("ECSServiceAverageCPUUtilization", args.get("cpu_percent", DEFAULT_CPU_PERCENT)),
            "memory": ("ECSServiceAverageMemoryUtilization", args.get("memory_percent", DEFAULT_MEMORY_PERCENT)),
        }
        for purpose, (metric, percent) in wanted.items():
            aws.appautoscaling.Policy(
                f"{name}-scale-on-{purpose}",
                name=f"{name}-{purpose}",
                policy_type="TargetTrackingScaling",
                service_namespace=target.service_namespace,
                scalable_dimension=target.scalable_dimension,
                resource_id=target.resource_id,
                target_tracking_scaling_policy_configuration={
                    "predefined_metric_specification": {"predefined_metric_type": metric},
                    "target_value": checks.within(f"{purpose}_percent", percent, 10, 90),
                    "scale_in_cooldown": SCALE_IN_SECONDS,
                    "scale_out_cooldown": SCALE_OUT_SECONDS,
                },
                opts=self._child,
            )
