"""DMS from source to target, and the way back: declared here, started and stopped by the automation alone."""

from typing import Literal, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import checks, dms_endpoints, replication_instance, serverless_replication
from components.dms_endpoints import DmsEndpointArgs
from components.dms_mirror import mirrored, obstacles
from components.dms_settings import DEFAULT_LOB_MAXIMUM_KB, TableRule, TableSettings, table_mappings, task_settings
from components.dms_transformations import TransformationRule
from components.owner import Owner
from components.replication_placement import DEFAULT_MAINTENANCE_WINDOW, Placement
from components.serverless_replication import ServerlessArgs

Side = Literal["source", "target"]
SIDES: tuple[Side, ...] = ("source", "target")


class DmsInstance(TypedDict):
    """A replication instance that is there already."""

    arn: pulumi.Input[str]
    """ARN of the instance."""
    id: pulumi.Input[str]
    """Identifier of the instance."""


class DmsPipelineArgs(TypedDict):
    """What DmsPipeline needs."""

    account_id: pulumi.Input[str]
    """AWS account, twelve digits."""
    region: pulumi.Input[str]
    """AWS region; the access role trusts DMS of this region only."""
    instance: NotRequired[DmsInstance]
    """Instance to run on, shared with other databases. Default: one is made, of what the keys below say."""
    serverless: NotRequired[ServerlessArgs | None]
    """Replicate by DMS Serverless, which has no instance, no task and no way back. Default: on an instance."""
    subnet_ids: NotRequired[pulumi.Input[list[str]]]
    """Subnets of at least two zones from which both databases and Secrets Manager can be reached."""
    security_group_id: NotRequired[pulumi.Input[str]]
    """Security group of the replication instance, or of the serverless replication."""
    kms_key_arn: pulumi.Input[str]
    """Key that encrypts the instance's storage, the endpoints and the secrets."""
    source: DmsEndpointArgs
    """Database that is moved."""
    target: DmsEndpointArgs
    """Database that is moved to."""
    tables: list[TableRule]
    """Tables to replicate; at least one rule that includes."""
    failback_slot: NotRequired[str | None]
    """Slot on the target that the fail-back task reads from; the automation makes it. Default: DMS makes its own."""
    transformations: NotRequired[list[TransformationRule]]
    """Names that differ on the target. The fail-back task gets what takes them back. Default: none."""
    table_settings: NotRequired[list[TableSettings]]
    """What holds for single tables alone: their large objects' limit, and ranges of their load. Default: none."""
    fail_back: NotRequired[bool]
    """Refuse transformations that have no way back. Without, the fail-back task then carries nothing of the
    application's. Default true."""
    instance_class: NotRequired[str]
    """Class of the replication instance. Default dms.r5.large."""
    storage_gb: NotRequired[int]
    """Storage for logs and cached changes, 5 to 6144. Default 100."""
    multi_az: NotRequired[bool]
    """Keep a standby in another zone. Default false."""
    engine_version: NotRequired[str | None]
    """DMS engine version. Default: the newest that AWS offers; upgrades by AWS are not undone."""
    maintenance_window: NotRequired[str]
    """Weekly window, UTC. Default sun:06:00-sun:07:00."""
    lob_maximum_kb: NotRequired[int]
    """Largest large object in KB, 1 to 102400; a larger one fails the task. Default 1024."""
    stop_after_load: NotRequired[bool]
    """Stop the forward task when all rows are loaded, so that indexes can be built before it goes on. DMS Serverless
    can't. Default false."""
    create_account_roles: NotRequired[bool]
    """Make the two roles DMS expects once per account. False where the account has them. Default true."""
    tags: NotRequired[dict[str, str]]
    """Tags for every resource."""


class DmsPipeline(pulumi.ComponentResource):
    """Endpoints through Secrets Manager, and what replicates between them.

    On an instance that is the forward task and the fail-back task. A serverless replication has none of the three, and
    what is theirs is None.
    """

    forward_arn: pulumi.Output[str]
    """ARN of what replicates forward: of the task, or of the serverless replication."""
    forward_id: pulumi.Output[str]
    """Identifier of the same."""
    replication_config_arn: pulumi.Output[str] | None
    """ARN of the serverless replication."""
    replication_instance_arn: pulumi.Output[str] | None
    """ARN of the replication instance."""
    replication_instance_id: pulumi.Output[str] | None
    """Identifier of the replication instance: a dimension of its metrics."""
    source_endpoint_arn: pulumi.Output[str]
    """ARN of the source endpoint."""
    target_endpoint_arn: pulumi.Output[str]
    """ARN of the target endpoint."""
    replication_task_arn: pulumi.Output[str] | None
    """ARN of the forward task: full load, then changes."""
    replication_task_id: pulumi.Output[str] | None
    """Identifier of the forward task."""
    failback_task_arn: pulumi.Output[str] | None
    """ARN of the task that carries changes back."""
    failback_source_endpoint_arn: pulumi.Output[str] | None
    """ARN of the endpoint that reads the target."""
    failback_target_endpoint_arn: pulumi.Output[str] | None
    """ARN of the endpoint that writes to the source."""

    def __init__(self, name: str, args: DmsPipelineArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("migration:index:DmsPipeline", name, None, opts)
        self._name = name
        self._args = args
        self._owner = Owner(self, name, args.get("tags", {}))
        for side in SIDES:
            dms_endpoints.check(args[side])
        mappings = table_mappings(args["tables"], args.get("transformations", []), args.get("table_settings", []))
        if args.get("serverless") and args.get("stop_after_load", False):
            raise checks.ArgumentError("stop_after_load is true: leave it out, DMS Serverless does not stop there")
        settings = self._settings(stop_after_load=args.get("stop_after_load", False))

        access = dms_endpoints.access_role(
            self._owner,
            region=args["region"],
            secret_arns=[args[side]["secret_arn"] for side in SIDES],
            kms_key_arn=args["kms_key_arn"],
        )
        self._authorities = {side: dms_endpoints.authority(self._owner, side, args[side]) for side in SIDES}
        source = self._endpoint("source", "source", "source", access)
        target = self._endpoint("target", "target", "target", access)
        self.source_endpoint_arn = source.endpoint_arn
        self.target_endpoint_arn = target.endpoint_arn
        capacity = args.get("serverless")
        if capacity is not None:
            self._replicate_serverless(capacity, source, target, mappings, settings)
        else:
            self._replicate_by_tasks(access, source, target, mappings, settings)
        self.register_outputs(
            {
                "forward_arn": self.forward_arn,
                "forward_id": self.forward_id,
                "replication_config_arn": self.replication_config_arn,
                "replication_instance_arn": self.replication_instance_arn,
                "replication_instance_id": self.replication_instance_id,
                "source_endpoint_arn": self.source_endpoint_arn,
                "target_endpoint_arn": self.target_endpoint_arn,
                "replication_task_arn": self.replication_task_arn,
                "replication_task_id": self.replication_task_id,
                "failback_task_arn": self.failback_task_arn,
                "failback_source_endpoint_arn": self.failback_source_endpoint_arn,
                "failback_target_endpoint_arn": self.failback_target_endpoint_arn,
            }
        )

    def _settings(self, *, stop_after_load: bool) -> str:
        limit = int(self._args.get("lob_maximum_kb", DEFAULT_LOB_MAXIMUM_KB))
        return task_settings(lob_maximum_kb=limit, stop_after_load=stop_after_load)

    def _way_back(self) -> str:
        """Return the fail-back task's mappings."""
        tables, transformations = self._args["tables"], self._args.get("transformations", [])
        if not self._args.get("fail_back", True) and any(obstacles(tables, transformations)):
            return table_mappings([{"schema": dms_endpoints.HEARTBEAT_SCHEMA}])
        return table_mappings(*mirrored(tables, transformations, self._args.get("table_settings", [])))

    def _replicate_by_tasks(
        self,
        access: pulumi.Output[str],
        source: aws.dms.Endpoint,
        target: aws.dms.Endpoint,
        mappings: str,
        settings: str,
    ) -> None:
        """Make a task for each direction, on an instance."""
        args = self._args
        instance = args.get("instance") or self._own_instance()
        back_source = self._endpoint("failback-source", "source", "target", access)
        back_target = self._endpoint("failback-target", "target", "source", access)
        forward = self._task("forward", "full-load-and-cdc", instance, source, target, mappings, settings)
        on = self._settings(stop_after_load=False)
        failback = self._task("failback", "cdc", instance, back_source, back_target, self._way_back(), on)
        self.forward_arn, self.forward_id = forward.replication_task_arn, forward.replication_task_id
        self.replication_config_arn = None
        self.replication_instance_arn = pulumi.Output.from_input(instance["arn"])
        self.replication_instance_id = pulumi.Output.from_input(instance["id"])
        self.replication_task_arn = forward.replication_task_arn
        self.replication_task_id = forward.replication_task_id
        self.failback_task_arn = failback.replication_task_arn
        self.failback_source_endpoint_arn = back_source.endpoint_arn
        self.failback_target_endpoint_arn = back_target.endpoint_arn

    def _replicate_serverless(
        self,
        capacity: ServerlessArgs,
        source: aws.dms.Endpoint,
        target: aws.dms.Endpoint,
        mappings: str,
        settings: str,
    ) -> None:
        """Make a replication forward, and nothing back: DMS Serverless starts at no position of the log."""
        made = serverless_replication.declare(
            serverless_replication.Declaration(
                **vars(self._placement()),
                capacity=capacity,
                source=source,
                target=target,
                table_mappings=mappings,
                settings=settings,
            )
        )
        self.forward_arn = self.replication_config_arn = made.arn
        self.forward_id = made.replication_config_identifier
        self.replication_instance_arn = self.replication_instance_id = None
        self.replication_task_arn = self.replication_task_id = self.failback_task_arn = None
        self.failback_source_endpoint_arn = self.failback_target_endpoint_arn = None

    def _placement(self) -> Placement:
        """Return where to run what is made for this database alone."""
        args = self._args
        if "subnet_ids" not in args or "security_group_id" not in args:
            raise checks.ArgumentError("instance is missing: give one, or subnet_ids and security_group_id to make it")
        return Placement(
            name=self._name,
            parent=self,
            subnet_ids=args["subnet_ids"],
            security_group_id=args["security_group_id"],
            kms_key_arn=args["kms_key_arn"],
            multi_az=args.get("multi_az", False),
            maintenance_window=args.get("maintenance_window", DEFAULT_MAINTENANCE_WINDOW),
            create_account_roles=args.get("create_account_roles", True),
            tags=self._owner.tags,
        )

    def _own_instance(self) -> DmsInstance:
        """Make an instance for this database alone."""
        args = self._args
        made = replication_instance.declare(
            replication_instance.Declaration(
                **vars(self._placement()),
                instance_class=args.get("instance_class", replication_instance.DEFAULT_INSTANCE_CLASS),
                storage_gb=args.get("storage_gb", replication_instance.DEFAULT_STORAGE_GB),
                engine_version=args.get("engine_version"),
            )
        )
        return {"arn": made.replication_instance_arn, "id": made.replication_instance_id}

    def _endpoint(self, purpose: str, kind: str, side: Side, access: pulumi.Output[str]) -> aws.dms.Endpoint:
        return dms_endpoints.declare(
            self._owner,
            purpose,
            kind,
            self._args[side],
            access=access,
            authority=self._authorities[side],
            kms_key_arn=self._args["kms_key_arn"],
            failback_slot=self._args.get("failback_slot"),
        )

    def _task(
        self,
        purpose: str,
        migration_type: str,
        instance: DmsInstance,
        source: aws.dms.Endpoint,
        target: aws.dms.Endpoint,
        mappings: str,
        settings: str,
    ) -> aws.dms.ReplicationTask:
        name = f"{self._name}-{purpose}"
        return aws.dms.ReplicationTask(
            name,
            replication_task_id=name,
            migration_type=migration_type,
            replication_instance_arn=instance["arn"],
            source_endpoint_arn=source.endpoint_arn,
            target_endpoint_arn=target.endpoint_arn,
            table_mappings=mappings,
            replication_task_settings=settings,
            start_replication_task=False,
            tags=self._owner.tagged(name),
            # Start, stop and position are the automation's: a deployment in the middle must not touch them.
            # After a fail-back the forward task is replaced, to load anew: its identifier must be free again by then.
            opts=pulumi.ResourceOptions(
                parent=self,
                ignore_changes=["startReplicationTask", "cdcStartPosition"],
                delete_before_replace=True,
            ),
        )
