"""One example of every resource type: how to make it, a property to change in place, one that needs a new resource."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox.provider.archives import ARCHIVE, ASSET, SIGNATURE

Json = dict[str, Any]
Make = Callable[[str], Any]

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)
NOTHING = json.dumps({"Version": "2012-10-17", "Statement": []})
POLICY = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["sns:Publish"], "Resource": "*"}]}
)
RESOURCE_POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}],
    }
)
PATTERN = json.dumps({"source": ["aws.dms"]})
RUNBOOK = json.dumps(
    {
        "schemaVersion": "0.3",
        "description": "unit",
        "mainSteps": [
            {"name": "Look", "action": "aws:executeAwsApi", "inputs": {"Service": "sts", "Api": "GetCallerIdentity"}}
        ],
    }
)
MACHINE = json.dumps({"StartAt": "End", "States": {"End": {"Type": "Succeed"}}})
CERTIFICATE = """-----BEGIN CERTIFICATE-----
MIIBeTCCAR+gAwIBAgIUJvKggEwTPUQFVWpELnqzJcRH7zQwCgYIKoZIzj0EAwIw
ETEPMA0GA1UEAwwGc2FtcGxlMCAXDTI2MTEyMTE0NDAxNloYDzIxMjYxMDI4MTQ0
MDE2WjARMQ8wDQYDVQQDDAZzYW1wbGUwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
AAS96XdL8RFDGlDlYOxOFmI07T2A/sgyRyWA5RJF3u+xWGGyvXRKnV6LXGt5EXGe
0IR7JVBi50PZFPDFZen+mWy4o1MwUTAdBgNVHQ4EFgQUF9PwnhLM1BuEmBkKEEwg
lkWMIiUwHwYDVR0jBBgwFoAUF9PwnhLM1BuEmBkKEEwglkWMIiUwDwYDVR0TAQH/
BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiAESj0tqlt8KCKJ47ZgFiW3m1no2ok+
EePnIjmhHvl1mQIhAIo4Lo1J/pB3Utlsj5/K/U2rQKnZ3H0ta8iArWim8skP
-----END CERTIFICATE-----
"""
MAPPINGS = json.dumps(
    {
        "rules": [
            {
                "rule-type": "selection",
                "rule-id": "1",
                "rule-name": "one",
                "object-locator": {"schema-name": "public", "table-name": "%"},
                "rule-action": "include",
            }
        ]
    }
)
BUCKET_POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::sample-bucket/*"}
        ],
    }
)
CONTAINERS = json.dumps([{"name": "app", "image": "sample:1", "essential": True}])
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:x-AbCdEf"


def code(text: str) -> Json:
    """Return an archive with one Python file."""
    asset = {SIGNATURE: ASSET, "text": text, "hash": text}
    return {SIGNATURE: ARCHIVE, "assets": {"main.py": asset}, "hash": f"archive of {text}"}


@dataclass(frozen=True)
class Sample:
    """`inputs` gets a function that makes another type's sample and returns its id, or `id.output` for an output."""

    inputs: Callable[[Make], Json]
    change: Json = field(default_factory=dict)
    replace: Json = field(default_factory=dict)
    tags: bool = True
    drift: bool = True


def rule(make: Make) -> Json:
    return {
        "securityGroupId": make("aws:ec2/securityGroup:SecurityGroup"),
        "cidrIpv4": "10.0.0.0/8",
        "ipProtocol": "tcp",
        "fromPort": 5432,
        "toPort": 5432,
        "description": "unit",
    }


def endpoint(make: Make) -> Json:
    return {
        "endpointId": "sample-endpoint",
        "endpointType": "source",
        "engineName": "postgres",
        "databaseName": "shop",
        "secretsManagerArn": SECRET,
        "secretsManagerAccessRoleArn": make("aws:iam/role:Role.arn"),
        "sslMode": "none",
        "postgresSettings": {"heartbeatEnable": True},
    }


def replication_rule(status: str) -> Json:
    return {
        "id": "everything",
        "priority": 1,
        "status": status,
        "filter": {"prefix": ""},
        "deleteMarkerReplication": {"status": "Enabled"},
        "destination": {"bucket": "arn:aws:s3:::sample-versioned", "storageClass": "STANDARD"},
    }


def scaled(make: Make) -> Json:
    cluster = make("aws:ecs/cluster:Cluster.name")
    return {
        "serviceNamespace": "ecs",
        "scalableDimension": "ecs:service:DesiredCount",
        "resourceId": f"service/{cluster}/{make('aws:ecs/service:Service.name')}",
        "minCapacity": 1,
        "maxCapacity": 3,
    }


def tracking(percent: int) -> Json:
    metric = {"predefinedMetricType": "ECSServiceAverageCPUUtilization"}
    return {"predefinedMetricSpecification": metric, "targetValue": percent, "scaleInCooldown": 300}


SAMPLES: dict[str, Sample] = {
    "aws:ec2/vpc:Vpc": Sample(
        lambda make: {"cidrBlock": "10.99.0.0/16", "enableDnsHostnames": False},
        {"enableDnsHostnames": True},
        {"cidrBlock": "10.98.0.0/16"},
    ),
    "aws:ec2/subnet:Subnet": Sample(
        lambda make: {
            "vpcId": make("aws:ec2/vpc:Vpc"),
            "cidrBlock": "10.99.1.0/24",
            "availabilityZone": "us-east-1a",
            "mapPublicIpOnLaunch": False,
        },
        {"mapPublicIpOnLaunch": True},
        {"cidrBlock": "10.99.2.0/24"},
    ),
    "aws:ec2/internetGateway:InternetGateway": Sample(lambda make: {"vpcId": make("aws:ec2/vpc:Vpc")}),
    "aws:ec2/eip:Eip": Sample(lambda make: {"domain": "vpc"}),
    "aws:ec2/natGateway:NatGateway": Sample(
        lambda make: {"subnetId": make("aws:ec2/subnet:Subnet"), "allocationId": make("aws:ec2/eip:Eip")},
        replace={"subnetId": "subnet-other"},
    ),
    "aws:ec2/routeTable:RouteTable": Sample(lambda make: {"vpcId": make("aws:ec2/vpc:Vpc")}),
    "aws:ec2/route:Route": Sample(
        lambda make: {
            "routeTableId": make("aws:ec2/routeTable:RouteTable"),
            "destinationCidrBlock": "0.0.0.0/0",
            "gatewayId": make("aws:ec2/internetGateway:InternetGateway"),
        },
        replace={"destinationCidrBlock": "10.0.0.0/8"},
        tags=False,
    ),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": Sample(
        lambda make: {
            "routeTableId": make("aws:ec2/routeTable:RouteTable"),
            "subnetId": make("aws:ec2/subnet:Subnet"),
        },
        replace={"subnetId": "subnet-other"},
        tags=False,
    ),
    "aws:ec2/securityGroup:SecurityGroup": Sample(
        lambda make: {"vpcId": make("aws:ec2/vpc:Vpc"), "description": "unit"}, replace={"description": "other"}
    ),
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": Sample(lambda make: {"vpcId": make("aws:ec2/vpc:Vpc")}),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": Sample(rule, replace={"fromPort": 5433}),
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": Sample(rule, replace={"cidrIpv4": "10.1.0.0/16"}),
    "aws:ec2/vpcEndpoint:VpcEndpoint": Sample(
        lambda make: {
            "vpcId": make("aws:ec2/vpc:Vpc"),
            "serviceName": "com.amazonaws.us-east-1.s3",
            "serviceRegion": "us-east-1",
            "vpcEndpointType": "Gateway",
            "routeTableIds": [make("aws:ec2/routeTable:RouteTable")],
        },
        {"routeTableIds": []},
        {"serviceName": "com.amazonaws.us-east-1.dynamodb"},
    ),
    "aws:ec2/flowLog:FlowLog": Sample(
        lambda make: {
            "vpcId": make("aws:ec2/vpc:Vpc"),
            "trafficType": "ALL",
            "logDestinationType": "cloud-watch-logs",
            "logDestination": make("aws:cloudwatch/logGroup:LogGroup.arn"),
            "iamRoleArn": make("aws:iam/role:Role.arn"),
        },
        replace={"trafficType": "REJECT"},
    ),
    "aws:ec2/vpnGateway:VpnGateway": Sample(
        lambda make: {"vpcId": make("aws:ec2/vpc:Vpc"), "amazonSideAsn": "64512"}, replace={"amazonSideAsn": "64513"}
    ),
    "aws:ec2/customerGateway:CustomerGateway": Sample(
        lambda make: {"ipAddress": "198.51.100.7", "bgpAsn": "65010", "type": "ipsec.1"},
        replace={"ipAddress": "198.51.100.8"},
    ),
    "aws:ec2/vpnConnection:VpnConnection": Sample(
        lambda make: {
            "customerGatewayId": make("aws:ec2/customerGateway:CustomerGateway"),
            "vpnGatewayId": make("aws:ec2/vpnGateway:VpnGateway"),
            "type": "ipsec.1",
            "staticRoutesOnly": False,
            "presharedKeyStorage": "SecretsManager",
            "tunnel1LogOptions": {
                "cloudwatchLogOptions": {
                    "logEnabled": True,
                    "logGroupArn": make("aws:cloudwatch/logGroup:LogGroup.arn"),
                    "logOutputFormat": "json",
                }
            },
        },
        replace={"staticRoutesOnly": True},
    ),
    "aws:ec2/vpnGatewayRoutePropagation:VpnGatewayRoutePropagation": Sample(
        lambda make: {
            "vpnGatewayId": make("aws:ec2/vpnGateway:VpnGateway"),
            "routeTableId": make("aws:ec2/routeTable:RouteTable"),
        },
        replace={"routeTableId": "rtb-other"},
        tags=False,
    ),
    "aws:iam/role:Role": Sample(
        lambda make: {"assumeRolePolicy": TRUST, "description": "unit"},
        {"assumeRolePolicy": TRUST.replace("lambda", "states")},
        {"name": "another-name"},
    ),
    "aws:iam/rolePolicy:RolePolicy": Sample(
        lambda make: {"role": make("aws:iam/role:Role"), "policy": POLICY},
        {"policy": POLICY.replace("Publish", "Subscribe")},
        {"name": "other"},
        tags=False,
    ),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": Sample(
        lambda make: {
            "role": make("aws:iam/role:Role"),
            "policyArn": "arn:aws:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole",
        },
        replace={"policyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"},
        tags=False,
    ),
    "aws:kms/key:Key": Sample(
        lambda make: {"description": "unit", "enableKeyRotation": True, "deletionWindowInDays": 7},
        {"description": "changed", "enableKeyRotation": False},
    ),
    "aws:kms/alias:Alias": Sample(
        lambda make: {"name": "alias/sample", "targetKeyId": make("aws:kms/key:Key")},
        replace={"name": "alias/other"},
        tags=False,
    ),
    "aws:secretsmanager/secret:Secret": Sample(
        lambda make: {
            "description": "unit",
            "recoveryWindowInDays": 0,
            "replicas": [{"region": "eu-west-1", "kmsKeyId": "arn:aws:kms:eu-west-1:123456789012:key/sample"}],
        },
        {"description": "changed"},
        {"name": "other"},
    ),
    "aws:secretsmanager/secretVersion:SecretVersion": Sample(
        lambda make: {"secretId": make("aws:secretsmanager/secret:Secret"), "secretString": "one"},
        replace={"secretString": "two"},
        tags=False,
    ),
    "aws:secretsmanager/secretRotation:SecretRotation": Sample(
        lambda make: {
            "secretId": make("aws:secretsmanager/secret:Secret"),
            "rotationLambdaArn": make("aws:lambda/function:Function.arn"),
            "rotateImmediately": False,
            "rotationRules": {"automaticallyAfterDays": 30},
        },
        {"rotationRules": {"automaticallyAfterDays": 7}},
        {"secretId": "other"},
        tags=False,
    ),
    "aws:ssm/parameter:Parameter": Sample(
        lambda make: {"name": "/sample/parameter", "type": "String", "value": "one", "description": "unit"},
        {"value": "two"},
        {"name": "/sample/other"},
    ),
    "aws:ssm/document:Document": Sample(
        lambda make: {"documentType": "Automation", "documentFormat": "JSON", "content": RUNBOOK},
        {"content": RUNBOOK.replace("unit", "changed")},
        {"documentType": "Command"},
    ),
    "aws:rds/subnetGroup:SubnetGroup": Sample(
        lambda make: {
            "description": "unit",
            "subnetIds": [make("aws:ec2/subnet:Subnet"), make("sample second subnet")],
        },
        {"description": "changed"},
        {"name": "other"},
    ),
    "aws:rds/clusterParameterGroup:ClusterParameterGroup": Sample(
        lambda make: {
            "family": "aurora-postgresql17",
            "description": "unit",
            "parameters": [{"name": "log_statement", "value": "ddl", "applyMethod": "immediate"}],
        },
        {"parameters": [{"name": "log_statement", "value": "all", "applyMethod": "immediate"}]},
        {"family": "aurora-postgresql16"},
    ),
    "aws:rds/parameterGroup:ParameterGroup": Sample(
        lambda make: {
            "family": "postgres17",
            "description": "unit",
            "parameters": [{"name": "log_statement", "value": "ddl", "applyMethod": "immediate"}],
        },
        {"parameters": [{"name": "log_statement", "value": "all", "applyMethod": "immediate"}]},
        {"family": "postgres16"},
    ),
    "aws:rds/cluster:Cluster": Sample(
        lambda make: {
            "engine": "mysql",  # no Aurora, which would want a server: the sandbox's only one is the stack's
            "masterUsername": "admin",
            "masterPassword": "sample-password",
            "engineLifecycleSupport": "open-source-rds-extended-support-disabled",
            "backupRetentionPeriod": 1,
            "skipFinalSnapshot": True,
        },
        {"backupRetentionPeriod": 3},
        {"masterUsername": "other"},
    ),
    "aws:rds/clusterInstance:ClusterInstance": Sample(
        lambda make: {
            "clusterIdentifier": make("aws:rds/cluster:Cluster"),
            "engine": "mysql",
            "instanceClass": "db.serverless",
            "promotionTier": 1,
        },
        replace={"engine": "aurora-postgresql"},
    ),
    "aws:rds/instance:Instance": Sample(
        lambda make: {
            "engine": "mariadb",  # neither PostgreSQL nor MySQL, which would want a server
            "engineVersion": "10.11.8",
            "instanceClass": "db.t3.micro",
            "allocatedStorage": 20,
            "username": "admin",
            "password": "sample-password",
            "engineLifecycleSupport": "open-source-rds-extended-support-disabled",
            "backupRetentionPeriod": 1,
            "skipFinalSnapshot": True,
        },
        {"backupRetentionPeriod": 3, "enabledCloudwatchLogsExports": ["error"]},
        {"username": "other"},
    ),
    "aws:rds/eventSubscription:EventSubscription": Sample(
        lambda make: {
            "snsTopic": make("aws:sns/topic:Topic"),
            "sourceType": "db-cluster",
            "eventCategories": ["failover"],
            "enabled": True,
        },
        replace={"sourceIds": ["x"]},
    ),
    "aws:dynamodb/table:Table": Sample(
        lambda make: {
            "hashKey": "id",
            "attributes": [{"name": "id", "type": "S"}, {"name": "phase", "type": "S"}],
            "globalSecondaryIndexes": [
                {
                    "name": "by-phase",
                    "keySchemas": [{"attributeName": "phase", "keyType": "HASH"}],
                    "projectionType": "ALL",
                }
            ],
            "billingMode": "PAY_PER_REQUEST",
            "pointInTimeRecovery": {"enabled": False},
        },
        {"pointInTimeRecovery": {"enabled": True}},
        {"hashKey": "other"},
    ),
    "aws:backup/vault:Vault": Sample(lambda make: {"forceDestroy": False}, {"forceDestroy": True}, {"name": "other"}),
    "aws:backup/plan:Plan": Sample(
        lambda make: {
            "rules": [
                {
                    "ruleName": "daily",
                    "targetVaultName": make("aws:backup/vault:Vault"),
                    "schedule": "cron(0 5 * * ? *)",
                    "lifecycle": {"deleteAfter": 7},
                }
            ]
        },
        {"rules": [{"ruleName": "weekly", "targetVaultName": "x", "schedule": "cron(0 5 ? * 1 *)"}]},
    ),
    "aws:backup/selection:Selection": Sample(
        lambda make: {
            "planId": make("aws:backup/plan:Plan"),
            "iamRoleArn": make("aws:iam/role:Role.arn"),
            "selectionTags": [{"type": "STRINGEQUALS", "key": "a", "value": "b"}],
            "conditions": [{"stringEquals": [{"key": "aws:ResourceTag/a", "value": "b"}]}],
            "resources": ["arn:aws:rds:us-east-1:000000000000:db:sample"],
        },
        replace={"name": "other"},
        tags=False,
    ),
    "aws:dms/replicationSubnetGroup:ReplicationSubnetGroup": Sample(
        lambda make: {
            "replicationSubnetGroupId": "sample-subnets",
            "replicationSubnetGroupDescription": "unit",
            "subnetIds": [make("aws:ec2/subnet:Subnet"), make("sample second subnet")],
        },
        {"replicationSubnetGroupDescription": "changed"},
        {"replicationSubnetGroupId": "other"},
    ),
    "aws:dms/replicationInstance:ReplicationInstance": Sample(
        lambda make: {
            "replicationInstanceId": "sample-instance",
            "replicationInstanceClass": "dms.t3.medium",
            "allocatedStorage": 20,
            "replicationSubnetGroupId": make("aws:dms/replicationSubnetGroup:ReplicationSubnetGroup"),
        },
        {"allocatedStorage": 30},
        {"replicationInstanceId": "other"},
    ),
    "aws:dms/certificate:Certificate": Sample(
        lambda make: {"certificateId": "sample-authority", "certificatePem": CERTIFICATE},
        {},
        {"certificateId": "other"},
    ),
    "aws:dms/endpoint:Endpoint": Sample(endpoint, {"sslMode": "require"}, {"endpointId": "other"}),
    "aws:dms/replicationTask:ReplicationTask": Sample(
        lambda make: {
            "replicationTaskId": "sample-task",
            "migrationType": "cdc",
            "replicationInstanceArn": make("aws:dms/replicationInstance:ReplicationInstance.arn"),
            "sourceEndpointArn": make("aws:dms/endpoint:Endpoint.arn"),
            "targetEndpointArn": make("sample target endpoint"),
            "tableMappings": MAPPINGS,
            "startReplicationTask": False,
        },
        {"migrationType": "full-load"},
        {"replicationTaskId": "other"},
    ),
    "aws:dms/replicationConfig:ReplicationConfig": Sample(
        lambda make: {
            "replicationConfigIdentifier": "sample-serverless",
            "replicationType": "full-load-and-cdc",
            "sourceEndpointArn": make("aws:dms/endpoint:Endpoint.arn"),
            "targetEndpointArn": make("sample target endpoint"),
            "tableMappings": MAPPINGS,
            "computeConfig": {
                "replicationSubnetGroupId": make("aws:dms/replicationSubnetGroup:ReplicationSubnetGroup"),
                "maxCapacityUnits": 4,
                "minCapacityUnits": 1,
                "multiAz": False,
            },
            "startReplication": False,
        },
        {"replicationType": "cdc"},
        {"replicationConfigIdentifier": "other"},
    ),
    "aws:dms/eventSubscription:EventSubscription": Sample(
        lambda make: {
            "snsTopicArn": make("aws:sns/topic:Topic"),
            "sourceType": "replication-task",
            "eventCategories": ["failure"],
            "enabled": True,
        },
        {"eventCategories": ["failure", "creation"]},
        {"sourceIds": ["x"]},
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": Sample(
        lambda make: {
            "namespace": "AWS/DMS",
            "metricName": "CDCLatencySource",
            "comparisonOperator": "GreaterThanThreshold",
            "statistic": "Average",
            "threshold": 60,
            "period": 60,
            "evaluationPeriods": 2,
            "dimensions": {"ReplicationInstanceIdentifier": "x"},
        },
        {"threshold": 30},
        {"name": "other"},
    ),
    "aws:cloudwatch/compositeAlarm:CompositeAlarm": Sample(
        lambda make: {
            "alarmName": "sample-composite",
            "alarmRule": f'OK("{make("aws:cloudwatch/metricAlarm:MetricAlarm")}")',
        },
        {"alarmDescription": "changed"},
        {"alarmName": "other"},
    ),
    "aws:cloudwatch/dashboard:Dashboard": Sample(
        lambda make: {"dashboardName": "sample", "dashboardBody": '{"widgets": []}'},
        {"dashboardBody": '{"widgets": [], "start": "-PT1H"}'},
        {"dashboardName": "other"},
        tags=False,
    ),
    "aws:cloudwatch/eventRule:EventRule": Sample(
        lambda make: {"eventPattern": PATTERN}, {"description": "changed"}, {"name": "other"}
    ),
    "aws:cloudwatch/eventTarget:EventTarget": Sample(
        lambda make: {
            "rule": make("aws:cloudwatch/eventRule:EventRule"),
            "arn": make("aws:sns/topic:Topic"),
            "targetId": "sample",
        },
        {"inputTransformer": {"inputPaths": {"name": "$.detail.name"}, "inputTemplate": '"ended: <name>"'}},
        {"targetId": "other"},
        tags=False,
    ),
    "aws:cloudwatch/logGroup:LogGroup": Sample(
        lambda make: {"retentionInDays": 7}, {"retentionInDays": 30}, {"name": "other"}
    ),
    "aws:sns/topic:Topic": Sample(lambda make: {"displayName": "unit"}, {"displayName": "changed"}, {"name": "other"}),
    "aws:sns/topicPolicy:TopicPolicy": Sample(
        lambda make: {"arn": make("aws:sns/topic:Topic"), "policy": RESOURCE_POLICY},
        {"policy": RESOURCE_POLICY.replace("sqs:SendMessage", "sns:Publish")},
        {"arn": "arn:aws:sns:us-east-1:123456789012:other"},
        tags=False,
    ),
    "aws:sns/topicSubscription:TopicSubscription": Sample(
        lambda make: {
            "topic": make("aws:sns/topic:Topic"),
            "protocol": "sqs",
            "endpoint": make("aws:sqs/queue:Queue.arn"),
        },
        replace={"protocol": "email"},
        tags=False,
    ),
    "aws:sqs/queue:Queue": Sample(
        lambda make: {"visibilityTimeoutSeconds": 30}, {"visibilityTimeoutSeconds": 60}, {"name": "other"}
    ),
    "aws:sqs/queuePolicy:QueuePolicy": Sample(
        lambda make: {"queueUrl": make("aws:sqs/queue:Queue"), "policy": RESOURCE_POLICY},
        {"policy": RESOURCE_POLICY.replace("SendMessage", "ReceiveMessage")},
        {"queueUrl": "http://other"},
        tags=False,
    ),
    "aws:lambda/function:Function": Sample(
        lambda make: {
            "runtime": "python3.13",
            "handler": "main.handler",
            "role": make("aws:iam/role:Role.arn"),
            "code": code("one"),
            "timeout": 5,
        },
        {"timeout": 10, "code": code("two")},
        {"name": "other"},
    ),
    "aws:lambda/layerVersion:LayerVersion": Sample(
        lambda make: {"layerName": "sample", "code": code("layer"), "compatibleRuntimes": ["python3.13"]},
        replace={"code": code("other")},
        tags=False,
    ),
    "aws:lambda/permission:Permission": Sample(
        lambda make: {
            "function": make("aws:lambda/function:Function"),
            "action": "lambda:InvokeFunction",
            "principal": "events.amazonaws.com",
        },
        replace={"principal": "sns.amazonaws.com"},
        tags=False,
    ),
    "aws:sfn/stateMachine:StateMachine": Sample(
        lambda make: {"definition": MACHINE, "roleArn": make("aws:iam/role:Role.arn"), "type": "STANDARD"},
        {"definition": MACHINE.replace("Succeed", "Fail")},
        {"type": "EXPRESS"},
    ),
    "aws:route53/zone:Zone": Sample(
        lambda make: {"name": "sample.example", "comment": "unit"}, {"comment": "changed"}, {"name": "other.example"}
    ),
    "aws:route53/record:Record": Sample(
        lambda make: {
            "zoneId": make("aws:route53/zone:Zone"),
            "name": "writer.sample.example",
            "type": "CNAME",
            "ttl": 60,
            "records": ["a.example"],
            "setIdentifier": "blue",
            "weightedRoutingPolicies": [{"weight": 100}],
        },
        {"ttl": 30},
        {"setIdentifier": "green"},
        tags=False,
    ),
    "aws:route53/healthCheck:HealthCheck": Sample(
        lambda make: {
            "type": "HTTPS",
            "fqdn": "lb.example.com",
            "port": 443,
            "resourcePath": "/health",
            "requestInterval": 30,
            "failureThreshold": 3,
            "enableSni": True,
        },
        {"failureThreshold": 5, "resourcePath": "/healthz"},
        {"requestInterval": 10},
    ),
    "aws:ec2/vpcPeeringConnection:VpcPeeringConnection": Sample(
        lambda make: {
            "vpcId": make("aws:ec2/vpc:Vpc"),
            "peerVpcId": make("sample second network"),
            "peerRegion": "us-east-1",
            "autoAccept": False,
        },
        replace={"peerRegion": "us-west-2"},
    ),
    "aws:ec2/vpcPeeringConnectionAccepter:VpcPeeringConnectionAccepter": Sample(
        lambda make: {
            "vpcPeeringConnectionId": make("aws:ec2/vpcPeeringConnection:VpcPeeringConnection"),
            "autoAccept": True,
        },
        replace={"vpcPeeringConnectionId": "pcx-other"},
    ),
    "aws:ec2/peeringConnectionOptions:PeeringConnectionOptions": Sample(
        lambda make: {
            "vpcPeeringConnectionId": make("aws:ec2/vpcPeeringConnectionAccepter:VpcPeeringConnectionAccepter"),
            "requester": {"allowRemoteVpcDnsResolution": True},
        },
        {"requester": {"allowRemoteVpcDnsResolution": False}},
        {"vpcPeeringConnectionId": "pcx-other"},
        tags=False,
    ),
    "aws:s3/bucket:Bucket": Sample(
        lambda make: {"bucket": "sample-bucket", "forceDestroy": False}, {"forceDestroy": True}, {"bucket": "other"}
    ),
    "aws:s3/bucketVersioning:BucketVersioning": Sample(
        lambda make: {"bucket": make("aws:s3/bucket:Bucket"), "versioningConfiguration": {"status": "Enabled"}},
        {"versioningConfiguration": {"status": "Suspended"}},
        {"bucket": "other"},
        tags=False,
    ),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": Sample(
        lambda make: {"bucket": make("aws:s3/bucket:Bucket"), "rule": {"objectOwnership": "BucketOwnerEnforced"}},
        {"rule": {"objectOwnership": "BucketOwnerPreferred"}},
        {"bucket": "other"},
        tags=False,
    ),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": Sample(
        lambda make: {
            "bucket": make("aws:s3/bucket:Bucket"),
            "blockPublicAcls": True,
            "blockPublicPolicy": True,
            "ignorePublicAcls": True,
            "restrictPublicBuckets": True,
        },
        {"blockPublicAcls": False},
        {"bucket": "other"},
        tags=False,
    ),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": Sample(
        lambda make: {
            "bucket": make("aws:s3/bucket:Bucket"),
            "rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}],
        },
        {
            "rules": [
                {
                    "applyServerSideEncryptionByDefault": {
                        "sseAlgorithm": "aws:kms",
                        "kmsMasterKeyId": "arn:aws:kms:us-east-1:123456789012:key/sample",
                    },
                    "bucketKeyEnabled": True,
                }
            ]
        },
        {"bucket": "other"},
        tags=False,
    ),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": Sample(
        lambda make: {
            "bucket": make("aws:s3/bucket:Bucket"),
            "rules": [
                {
                    "id": "one",
                    "status": "Enabled",
                    "filter": {"prefix": ""},
                    "transitions": [{"days": 30, "storageClass": "STANDARD_IA"}],
                    "noncurrentVersionExpiration": {"noncurrentDays": 90},
                    "abortIncompleteMultipartUpload": {"daysAfterInitiation": 7},
                }
            ],
        },
        {"rules": [{"id": "two", "status": "Enabled", "filter": {"prefix": ""}, "expiration": {"days": 9}}]},
        {"bucket": "other"},
        tags=False,
    ),
    "aws:s3/bucketLogging:BucketLogging": Sample(
        lambda make: {
            "bucket": make("aws:s3/bucket:Bucket"),
            "targetBucket": make("aws:s3/bucket:Bucket"),
            "targetPrefix": "s3/",
        },
        {"targetPrefix": "other/"},
        {"bucket": "other"},
        tags=False,
    ),
    "aws:s3/bucketPolicy:BucketPolicy": Sample(
        lambda make: {"bucket": make("aws:s3/bucket:Bucket"), "policy": BUCKET_POLICY},
        {"policy": BUCKET_POLICY.replace("Deny", "Allow")},
        {"bucket": "other"},
        tags=False,
    ),
    "aws:s3/bucketReplicationConfig:BucketReplicationConfig": Sample(
        lambda make: {
            "bucket": make("sample versioned bucket"),
            "role": make("aws:iam/role:Role.arn"),
            "rules": [replication_rule("Enabled")],
        },
        {"rules": [replication_rule("Disabled")]},
        {"bucket": "other"},
        tags=False,
    ),
    "aws:lb/loadBalancer:LoadBalancer": Sample(
        lambda make: {
            "name": "sample-lb",
            "loadBalancerType": "application",
            "internal": True,
            "subnets": [make("aws:ec2/subnet:Subnet"), make("sample second subnet")],
            "securityGroups": [make("aws:ec2/securityGroup:SecurityGroup")],
            "dropInvalidHeaderFields": True,
            "enableDeletionProtection": False,
        },
        {"dropInvalidHeaderFields": False},
        {"name": "other"},
    ),
    "aws:lb/targetGroup:TargetGroup": Sample(
        lambda make: {
            "name": "sample-tg",
            "vpcId": make("aws:ec2/vpc:Vpc"),
            "targetType": "ip",
            "protocol": "HTTP",
            "port": 8080,
            "deregistrationDelay": 30,
            "healthCheck": {"enabled": True, "path": "/health", "matcher": "200", "interval": 15, "timeout": 5},
        },
        {"healthCheck": {"enabled": True, "path": "/healthz", "matcher": "200", "interval": 20, "timeout": 5}},
        {"port": 9090},
    ),
    "aws:lb/listener:Listener": Sample(
        lambda make: {
            "loadBalancerArn": make("aws:lb/loadBalancer:LoadBalancer"),
            "port": 443,
            "protocol": "HTTPS",
            "sslPolicy": "ELBSecurityPolicy-TLS13-1-2-Res-2021-06",
            "certificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/sample",
            "defaultActions": [{"type": "forward", "targetGroupArn": make("aws:lb/targetGroup:TargetGroup")}],
        },
        {"sslPolicy": "ELBSecurityPolicy-TLS13-1-2-2021-06"},
        {"loadBalancerArn": "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/other/0"},
    ),
    "aws:ecs/cluster:Cluster": Sample(
        lambda make: {"settings": [{"name": "containerInsights", "value": "enabled"}]},
        {"settings": [{"name": "containerInsights", "value": "disabled"}]},
        {"name": "other"},
    ),
    "aws:ecs/taskDefinition:TaskDefinition": Sample(
        lambda make: {
            "family": "sample",
            "requiresCompatibilities": ["FARGATE"],
            "networkMode": "awsvpc",
            "cpu": "256",
            "memory": "512",
            "executionRoleArn": make("aws:iam/role:Role.arn"),
            "containerDefinitions": CONTAINERS,
        },
        replace={"cpu": "512"},
    ),
    "aws:ecs/service:Service": Sample(
        lambda make: {
            "name": "sample-service",
            "cluster": make("aws:ecs/cluster:Cluster"),
            "taskDefinition": make("aws:ecs/taskDefinition:TaskDefinition.arn"),
            "launchType": "FARGATE",
            "desiredCount": 1,
            "deploymentCircuitBreaker": {"enable": True, "rollback": True},
            "networkConfiguration": {
                "subnets": [make("aws:ec2/subnet:Subnet")],
                "securityGroups": [make("aws:ec2/securityGroup:SecurityGroup")],
                "assignPublicIp": False,
            },
        },
        {"desiredCount": 2},
        {"name": "other"},
    ),
    "aws:appautoscaling/target:Target": Sample(scaled, {"maxCapacity": 5}, {"resourceId": "service/other/other"}),
    "aws:appautoscaling/policy:Policy": Sample(
        lambda make: {
            "serviceNamespace": "ecs",
            "scalableDimension": "ecs:service:DesiredCount",
            "resourceId": make("aws:appautoscaling/target:Target"),
            "policyType": "TargetTrackingScaling",
            "targetTrackingScalingPolicyConfiguration": tracking(60),
        },
        {"targetTrackingScalingPolicyConfiguration": tracking(50)},
        {"name": "other"},
        tags=False,
    ),
    "random:index/randomPassword:RandomPassword": Sample(
        lambda make: {"length": 32}, replace={"length": 33}, tags=False, drift=False
    ),
    "random:index/randomString:RandomString": Sample(
        lambda make: {"length": 8}, replace={"length": 9}, tags=False, drift=False
    ),
    "random:index/randomId:RandomId": Sample(
        lambda make: {"byteLength": 4}, replace={"byteLength": 5}, tags=False, drift=False
    ),
}
