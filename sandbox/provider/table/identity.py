"""Who may do what: IAM, KMS, Secrets Manager, SSM."""

from typing import Any

from sandbox.provider.entry import Api, Call, Entry, Reading, Resource, Tagging
from sandbox.provider.shapes import Json


def _key_rotation(api: Api, key: Resource, _old: Json, changed: set[str]) -> set[str]:
    """Turn rotation on or off."""
    if "enableKeyRotation" in changed:
        _rotate(api, key)
    return changed & {"enableKeyRotation", "deletionWindowInDays"}


def _rotate(api: Api, key: Resource) -> None:
    operation = "enable_key_rotation" if key.inputs.get("enableKeyRotation") else "disable_key_rotation"
    api.call("kms", operation, KeyId=key.id)


def _delete_secret(api: Api, secret: Resource) -> None:
    days = int(secret.inputs.get("recoveryWindowInDays", 30))
    regions = [replica["region"] for replica in secret.inputs.get("replicas") or []]
    if regions:  # Secrets Manager refuses to delete what is replicated
        api.call("secretsmanager", "remove_regions_from_replication", SecretId=secret.id, RemoveReplicaRegions=regions)
    how: Json = {"RecoveryWindowInDays": days} if days else {"ForceDeleteWithoutRecovery": True}
    api.call("secretsmanager", "delete_secret", SecretId=secret.id, **how)


def _rotation(request: Json, rotation: Resource) -> Json:
    """Say whether to rotate at once: AWS does where it is not told."""
    return {**request, "RotateImmediately": rotation.inputs.get("rotateImmediately") is not False}


def _local_change(*names: str) -> Any:
    """Return a change that only the real provider's later actions depend on."""
    return lambda _api, _resource, _old, changed: changed & set(names)


def _document(api: Api, document: Resource, _old: Json, changed: set[str]) -> set[str]:
    """Write a document's content as a new version, and make that the default, as the real provider does."""
    if "content" in changed:
        inputs = document.inputs
        latest = api.call(
            "ssm",
            "update_document",
            Name=document.id,
            Content=inputs["content"],
            DocumentFormat=inputs.get("documentFormat") or "JSON",
            DocumentVersion="$LATEST",
        )["DocumentDescription"]
        api.call("ssm", "update_document_default_version", Name=document.id, DocumentVersion=latest["DocumentVersion"])
    return changed & {"content"}


ENTRIES = (
    Entry(
        type="aws:iam/role:Role",
        service="iam",
        create=Call("create_role", renames={"name": "RoleName", "assumeRolePolicy": "AssumeRolePolicyDocument"}),
        also=(
            Call(
                "update_assume_role_policy",
                {"RoleName": "$name"},
                {"assumeRolePolicy": "PolicyDocument"},
                only=("assumeRolePolicy",),
            ),
        ),
        update=Call("update_role", {"RoleName": "$name"}, only=("description", "maxSessionDuration")),
        read=Reading(Call("get_role", {"RoleName": "$id"}), "Role"),
        delete=Call("delete_role", {"RoleName": "$id"}),
        id="Role.RoleName",
        outputs={"arn": "Arn", "uniqueId": "RoleId"},
        replace=frozenset({"name", "path"}),
        name="name",
        tagging=Tagging("tag_role", "untag_role", {"RoleName": "$id"}),
    ),
    Entry(
        type="aws:iam/rolePolicy:RolePolicy",
        service="iam",
        create=Call("put_role_policy", renames={"role": "RoleName", "name": "PolicyName", "policy": "PolicyDocument"}),
        update=Call("put_role_policy", renames={"role": "RoleName", "name": "PolicyName", "policy": "PolicyDocument"}),
        read=Reading(Call("get_role_policy", {"RoleName": "$role", "PolicyName": "$name"})),
        delete=Call("delete_role_policy", {"RoleName": "$role", "PolicyName": "$name"}),
        id="{role}:{name}",
        replace=frozenset({"role", "name"}),
        name="name",
    ),
    Entry(
        type="aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        service="iam",
        create=Call("attach_role_policy", renames={"role": "RoleName"}),
        read=Reading(
            Call("list_attached_role_policies", {"RoleName": "$role"}),
            "AttachedPolicies[?PolicyArn==<policyArn>] | [0]",
        ),
        delete=Call("detach_role_policy", {"RoleName": "$role", "PolicyArn": "$policyArn"}),
        id="{role}/{policyArn}",
        replace=frozenset({"role", "policyArn"}),
    ),
    Entry(
        type="aws:kms/key:Key",
        service="kms",
        create=Call("create_key"),
        also=(
            Call("put_key_policy", {"KeyId": "$id", "PolicyName": "default"}, only=("policy",)),
            Call("update_key_description", {"KeyId": "$id"}, only=("description",)),
        ),
        after=_rotate,
        change=_key_rotation,
        read=Reading(Call("describe_key", {"KeyId": "$id"}), "[KeyMetadata] | [?KeyState!='PendingDeletion'] | [0]"),
        delete=Call("schedule_key_deletion", {"KeyId": "$id", "PendingWindowInDays": "$deletionWindowInDays"}),
        id="KeyMetadata.KeyId",
        outputs={"arn": "Arn", "keyId": "KeyId"},
        local=frozenset({"enableKeyRotation", "deletionWindowInDays"}),
        tagging=Tagging("tag_resource", "untag_resource", {"KeyId": "$id"}),
        truth="nothing is encrypted with it",
    ),
    Entry(
        type="aws:kms/alias:Alias",
        service="kms",
        create=Call("create_alias", renames={"name": "AliasName"}),
        update=Call("update_alias", renames={"name": "AliasName"}),
        read=Reading(Call("list_aliases"), "Aliases[?AliasName==<name>] | [0]"),
        delete=Call("delete_alias", {"AliasName": "$name"}),
        id="$name",
        outputs={"arn": "AliasArn"},
        replace=frozenset({"name"}),
        name="name",
    ),
    Entry(
        type="aws:secretsmanager/secret:Secret",
        service="secretsmanager",
        create=Call("create_secret"),
        also=(
            Call(
                "replicate_secret_to_regions",
                {"SecretId": "$id"},
                {"replicas": "AddReplicaRegions"},
                only=("replicas",),
            ),
        ),
        update=Call("update_secret", {"SecretId": "$id"}, only=("description", "kmsKeyId")),
        change=_local_change("recoveryWindowInDays"),
        read=Reading(Call("describe_secret", {"SecretId": "$id"}), "[@] | [?!DeletedDate] | [0]"),
        before_delete=_delete_secret,
        delete=None,
        id="ARN",
        outputs={"arn": "ARN"},
        local=frozenset({"recoveryWindowInDays", "forceOverwriteReplicaSecret"}),
        replace=frozenset({"name"}),
        name="name",
        tagging=Tagging("tag_resource", "untag_resource", {"SecretId": "$id"}),
    ),
    Entry(
        type="aws:secretsmanager/secretVersion:SecretVersion",
        service="secretsmanager",
        create=Call("put_secret_value"),
        read=Reading(
            Call("get_secret_value", {"SecretId": "$secretId", "VersionId": "$versionId"}),
            gone=("InvalidRequestException",),
        ),
        delete=None,  # it goes with its secret
        id="join('|', [ARN, VersionId])",
        outputs={"arn": "ARN", "versionId": "VersionId"},
        replace=frozenset({"secretId", "secretString"}),
        secrets=frozenset({"secretString"}),
    ),
    Entry(
        type="aws:secretsmanager/secretRotation:SecretRotation",
        service="secretsmanager",
        create=Call("rotate_secret"),
        update=Call("rotate_secret"),
        read=Reading(
            Call("describe_secret", {"SecretId": "$secretId"}),
            "[@] | [?RotationEnabled && !DeletedDate] | [0]",
        ),
        delete=Call("cancel_rotate_secret", {"SecretId": "$secretId"}),
        id="$secretId",
        outputs={"rotationEnabled": "RotationEnabled"},
        replace=frozenset({"secretId"}),
        local=frozenset({"rotateImmediately"}),
        prepare=_rotation,
        truth="nothing rotates by the clock; asked to, RDS or the function does, and fails once where AWS tries again",
    ),
    Entry(
        type="aws:ssm/parameter:Parameter",
        service="ssm",
        create=Call("put_parameter"),
        update=Call("put_parameter", {"Overwrite": True}),
        read=Reading(Call("get_parameter", {"Name": "$name", "WithDecryption": True}), "Parameter"),
        delete=Call("delete_parameter", {"Name": "$name"}),
        id="$name",
        outputs={"arn": "ARN", "version": "Version"},
        replace=frozenset({"name"}),
        local=frozenset({"overwrite"}),
        tagging=Tagging(
            "add_tags_to_resource", "remove_tags_from_resource", {"ResourceType": "Parameter", "ResourceId": "$name"}
        ),
    ),
    Entry(
        type="aws:ssm/document:Document",
        service="ssm",
        create=Call("create_document"),
        change=_document,
        read=Reading(Call("get_document", {"Name": "$id"}), gone=("InvalidDocument",)),
        delete=Call("delete_document", {"Name": "$id"}),
        id="DocumentDescription.Name",
        outputs={
            "arn": lambda api, document, _: f"arn:aws:ssm:{api.region}:{api.account}:document/{document.id}",
            "defaultVersion": "DocumentVersion",
            "status": "Status",
        },
        replace=frozenset({"name", "documentType", "documentFormat"}),
        name="name",
        name_limit=128,
        tagging=Tagging(
            "add_tags_to_resource", "remove_tags_from_resource", {"ResourceType": "Document", "ResourceId": "$id"}
        ),
        truth="executed with three actions: executeAwsApi, assertAwsResourceProperty, branch; its role keeps it from "
        "nothing",
    ),
)
