"""Settings of an application that moves as a whole: two environments side by side, in two regions."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from components.settings import arns, consistency
from components.settings.arns import CertificateArn
from components.settings.automation import ReplicationRotation, RowValidation, Switchover
from components.settings.ends import Target
from components.settings.preflight import Preflight
from components.settings.replication import Replication
from components.settings.sections import Dns, Hidden, Monitoring, Network, Section, Text
from components.settings.stack import Root

SIDES = ("source", "target")
DATABASE_NAMES = ("writer", "reader")
"""First labels of the database's names, in the same zone as the application's."""
FARGATE_MEMORY = {256: (512, 2048), 512: (1024, 4096), 1024: (2048, 8192), 2048: (4096, 16384), 4096: (8192, 30720)}
"""CPU units and, for each, the least and the most memory in MiB that Fargate runs beside them."""
PATH = r"^/[A-Za-z0-9_./-]*$"
VARIABLE = r"^[A-Z][A-Z0-9_]*$"
USER = r"^[1-9]\d{0,8}(:[1-9]\d{0,8})?$"


Variable = Annotated[
    str, Field(pattern=VARIABLE, description="a variable in capitals, digits and underscores, for example LOG_LEVEL")
]


class Environment(Section):
    """One place where the whole application runs."""

    region: str = Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$", description="an AWS region, for example eu-central-1")
    certificate_arn: CertificateArn = Field(
        description="the ARN of a certificate in ACM of this side's region, for the application's name"
    )
    network: Network = Field(default_factory=Network)
    database: Target = Field(default_factory=Target)


class Service(Section):
    """The application's containers and what stands before them."""

    image: str = Field(
        min_length=1,
        max_length=255,
        pattern=r"^\S+$",
        description="an image with its tag or digest, in 255 characters at most",
    )
    name: str = Field(
        "app",
        pattern=r"^[a-z][a-z0-9-]{0,62}$",
        description="the first label of the application's name, for example app",
    )
    container_port: int = Field(8080, ge=1024, le=65535, description="a port from 1024 to 65535: no root opens it")
    health_path: str = Field("/health", pattern=PATH, description="a path, for example /health")
    cpu: int = Field(512, description=f"one of {', '.join(map(str, FARGATE_MEMORY))}")
    memory_mb: int = Field(1024, ge=512, le=30720, description="MiB from 512 to 30720 that Fargate runs beside cpu")
    architecture: Literal["x86_64", "arm64"] = Field("x86_64", description="x86_64 or arm64")
    user: str = Field("1000:1000", pattern=USER, description="a user and group by number, not 0, for example 1000:1000")
    environment: Annotated[dict[Variable, Text], Hidden()] = Field(
        default_factory=dict, description="a map of variables to text, none of them secret"
    )
    minimum_tasks: int = Field(2, ge=1, le=100, description="a number of tasks from 1 to 100")
    maximum_tasks: int = Field(6, ge=1, le=100, description="a number of tasks from minimumTasks to 100")
    cpu_percent: int = Field(60, ge=10, le=90, description="percent from 10 to 90 that scaling aims at")
    memory_percent: int = Field(70, ge=10, le=90, description="percent from 10 to 90 that scaling aims at")
    deletion_protection: bool = Field(True, description="true or false, of the load balancers")


class TransactionLogs(Section):
    """The replicated pair of buckets."""

    transition_days: int = Field(30, ge=30, le=3650, description="days from 30 to 3650 until infrequent access")
    noncurrent_days: int = Field(90, ge=1, le=3650, description="days from 1 to 3650 that replaced versions stay")
    access_log_days: int = Field(90, ge=1, le=3650, description="days from 1 to 3650 that access logs stay")
    force_destroy: bool = Field(False, description="true to destroy buckets with what is in them, or false")


@dataclass(frozen=True)
class Side:
    """One environment as components are told of it, named and tagged by its side."""

    name: str
    prefix: str
    all_tags: dict[str, str]
    environment: Environment
    monitoring: Monitoring

    @property
    def network(self) -> Network:
        """The environment's VPC."""
        return self.environment.network


class Application(Root):
    """An application, where it runs, where it is moved to, and how."""

    composition: Literal["application"] = Field("application", description="application")
    source: Environment
    target: Environment
    application: Service
    transaction_logs: TransactionLogs = Field(default_factory=TransactionLogs)
    replication: Replication = Field(default_factory=Replication)
    dns: Dns
    preflight: Preflight = Field(default_factory=Preflight)
    rotation: ReplicationRotation = Field(default_factory=ReplicationRotation)
    switchover: Switchover = Field(default_factory=Switchover)
    validation: RowValidation = Field(default_factory=RowValidation)

    def contradictions(self) -> Iterator[str]:
        """Yield what is wrong though every key alone is right."""
        yield from super().contradictions()
        for name in SIDES:
            environment: Environment = getattr(self, name)
            yield from consistency.network(environment.network, f"{name}.network")
            yield from consistency.target(environment.database, f"{name}.database")
            yield from consistency.rotated_by_nobody(environment.database, f"{name}.database")
            yield from consistency.postgres_alone(environment.database, f"{name}.database")
            yield from consistency.authority(environment.database, f"{name}.database")
            yield from _environment(environment, name)
        if self.source.region == self.target.region:
            yield f"source.region and target.region are both {self.source.region}: write two regions"
        yield from consistency.apart(self.target.network, self.source.network, "target.network", "source.network")
        if self.source.database.database is None:
            yield "source.database.database is missing: write the name of the database"
        here, there = self.source.database.application_username, self.target.database.application_username
        if here != there:
            yield (
                f"target.database.applicationUsername {there} differs from source.database.applicationUsername {here}: "
                "containers log in wherever the writer's name leads, so give both one name"
            )
        yield from consistency.dns(self.dns)
        if self.dns.private:
            yield "dns.private is true, but the application's name is for the internet: leave it out"
        yield from consistency.functions(self.switchover)
        yield from consistency.switchover(
            self.switchover,
            {
                "target.database.applicationUsername": there,
                "target.database.replicationUsername": self.target.database.replication_username,
            },
        )
        yield from consistency.preflight(self.preflight)
        yield from consistency.write_gap(self.switchover, self.dns)
        yield from consistency.transformations(self.replication, self.switchover)
        yield from consistency.serverless(self.replication, self.switchover, self.target.network, "target.network")
        yield from _service(self.application)

    @property
    def database(self) -> str:
        """Name of the source's database, and of the target's where that says nothing else."""
        return str(self.source.database.database)

    def side(self, name: str) -> Side:
        """Return an environment, `source` or `target`, with the names and tags of its side."""
        return Side(
            name=name,
            prefix=f"{self.prefix}-{name}",
            all_tags={**self.all_tags, "Side": name},
            environment=getattr(self, name),
            monitoring=self.monitoring,
        )


def _environment(found: Environment, where: str) -> Iterator[str]:
    # Certificates are regional, one for each region with a load balancer, and can't be copied:
    # docs.aws.amazon.com/acm/latest/userguide/acm-regions.html, 2026-12-01.
    certificate = arns.parse(found.certificate_arn)
    if certificate and certificate.region != found.region:
        yield (
            f"{where}.certificateArn {found.certificate_arn} is not of {where}.region {found.region}: a load balancer "
            "takes certificates of its own region only; request or import one there"
        )
    if found.network.nat == "none":
        yield (
            f"{where}.network.nat is none, but containers fetch their image and functions call both regions: "
            "write one or per_zone"
        )


def _service(found: Service) -> Iterator[str]:
    if found.name in DATABASE_NAMES:
        yield f"application.name is {found.name}, which is a name of the database in this zone: choose another"
    if found.cpu not in FARGATE_MEMORY:
        yield f"application.cpu is {found.cpu}: write one of {', '.join(map(str, FARGATE_MEMORY))}"
    else:
        least, most = FARGATE_MEMORY[found.cpu]
        if not least <= found.memory_mb <= most or (found.memory_mb % 1024 and found.memory_mb != least):
            yield (
                f"application.memoryMb is {found.memory_mb}: beside {found.cpu} of CPU, Fargate runs {least}, or whole "
                f"GiB up to {most}"
            )
    if found.maximum_tasks < found.minimum_tasks:
        yield (
            f"application.maximumTasks {found.maximum_tasks} is below application.minimumTasks {found.minimum_tasks}: "
            "raise it"
        )
