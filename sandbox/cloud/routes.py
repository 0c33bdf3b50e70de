"""Which emulator serves which service: the one that does it better. Measured at the boto3 level."""

from collections.abc import Mapping

MOTO = ("ec2", "rds", "iam", "ssm", "elbv2", "ecs", "application-autoscaling")
"""moto: complete resource APIs. The rest, MiniStack: it really runs functions, workflows, events and alarms."""
VARIABLES = {
    "ec2": "EC2",
    "rds": "RDS",
    "iam": "IAM",
    "ssm": "SSM",
    "elbv2": "ELASTIC_LOAD_BALANCING_V2",
    "ecs": "ECS",
    "application-autoscaling": "APPLICATION_AUTO_SCALING",
    "dms": "DATABASE_MIGRATION_SERVICE",
    "mgn": "MGN",
}
"""The SDK's suffixes of AWS_ENDPOINT_URL_, where it is not the service's own name in capitals."""
ACCOUNT = "123456789012"
REGION = "us-east-1"


def environment(ministack: int, moto: int, dms: int, mgn: int) -> dict[str, str]:
    """Return the variables that send every AWS SDK to the emulators on these ports."""
    ports: Mapping[str, int] = {**dict.fromkeys(MOTO, moto), "dms": dms, "mgn": mgn}
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{ministack}",
        **{f"AWS_ENDPOINT_URL_{VARIABLES[s]}": f"http://127.0.0.1:{port}" for s, port in sorted(ports.items())},
        "AWS_ACCESS_KEY_ID": "sandbox",
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }
