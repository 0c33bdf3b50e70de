"""The operations by name, and how one is carried out."""

import re
from collections.abc import Callable, Mapping, Sequence

from sandbox.databases.server import ServerInfo
from sandbox.dms import account, certificates, endpoints, instances, serverless, subscriptions, tasks
from sandbox.dms.call import Call
from sandbox.dms.engine import Engine
from sandbox.dms.protocol import Fault, Json, checked, operation, written
from sandbox.dms.region import Region, Regions

OPERATIONS: Mapping[str, Callable[[Call], Json]] = {
    re.sub(r"(?:^|_)([a-z])", lambda found: found[1].upper(), act.__name__): act
    for act in (
        account.add_tags_to_resource,
        account.describe_account_attributes,
        account.list_tags_for_resource,
        account.remove_tags_from_resource,
        certificates.delete_certificate,
        certificates.describe_certificates,
        certificates.import_certificate,
        endpoints.create_endpoint,
        endpoints.delete_connection,
        endpoints.delete_endpoint,
        endpoints.describe_connections,
        endpoints.describe_endpoints,
        endpoints.modify_endpoint,
        endpoints.test_connection,
        instances.create_replication_instance,
        instances.create_replication_subnet_group,
        instances.delete_replication_instance,
        instances.delete_replication_subnet_group,
        instances.describe_orderable_replication_instances,
        instances.describe_replication_instances,
        instances.describe_replication_subnet_groups,
        instances.modify_replication_instance,
        instances.modify_replication_subnet_group,
        serverless.create_replication_config,
        serverless.delete_replication_config,
        serverless.describe_replication_configs,
        serverless.describe_replication_table_statistics,
        serverless.describe_replications,
        serverless.modify_replication_config,
        serverless.start_replication,
        serverless.stop_replication,
        subscriptions.create_event_subscription,
        subscriptions.delete_event_subscription,
        subscriptions.describe_event_categories,
        subscriptions.describe_event_subscriptions,
        subscriptions.describe_events,
        subscriptions.modify_event_subscription,
        tasks.create_replication_task,
        tasks.delete_replication_task,
        tasks.describe_replication_tasks,
        tasks.describe_table_statistics,
        tasks.modify_replication_task,
        tasks.start_replication_task,
        tasks.stop_replication_task,
    )
}
"""Every operation that is served, by its name in the API."""


class Service:
    """DMS over every region that is asked for."""

    def __init__(self, servers: Sequence[ServerInfo]) -> None:
        self._regions = Regions(lambda name: Region(name, servers))
        self._engines: dict[str, Engine] = {}

    def answer(self, target: str | None, region_name: str, request: object) -> Json:
        """Carry out the operation that `target` names and return its answer as JSON 1.1. Raises Fault as DMS would."""
        model = operation(target)
        act = OPERATIONS.get(model.name)
        if act is None:
            raise Fault("UnknownOperationException", f"the sandbox's DMS does not serve {model.name}")
        region = self._regions.get(region_name)
        call = Call(checked(model, request), region, self._engine(region))
        answer: Json = written(act(call))
        return answer

    def inject(self, arn: str, fault: str, seconds: float | None) -> Json:
        """Make something go wrong with a task. Raises Fault for an unknown task, ValueError for an unknown fault."""
        parts = arn.split(":")
        if len(parts) < 6:
            raise ValueError(f"task {arn!r} is no ARN")
        return dict(self._engine(self._regions.get(parts[3])).inject(arn, fault, seconds))

    def _engine(self, region: Region) -> Engine:
        return self._engines.setdefault(region.name, Engine(region))
