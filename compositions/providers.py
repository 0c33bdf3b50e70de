"""Providers of other regions than the stack's own, which else do what the stack's configuration of `aws` says."""

import json
import re
from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_aws as aws
from pulumi.runtime.config import is_config_secret

from components.refusal import Refusal

TEXTS = (
    *("access_key", "custom_ca_bundle", "ec2_metadata_service_endpoint", "ec2_metadata_service_endpoint_mode"),
    *("http_proxy", "https_proxy", "no_proxy", "profile", "retry_mode", "s3_us_east1_regional_endpoint"),
    *("secret_key", "sts_region", "tag_policy_compliance", "token"),
)
"""Arguments of a provider that are text."""
PARSED = (
    *("allowed_account_ids", "assume_role_with_web_identity", "assume_roles", "default_tags", "endpoints"),
    *("forbidden_account_ids", "ignore_tags", "insecure", "max_retries", "s3_use_path_style", "shared_config_files"),
    *("shared_credentials_files", "skip_credentials_validation", "skip_metadata_api_check", "skip_region_validation"),
    *("skip_requesting_account_id", "token_bucket_rate_limiter_capacity", "use_dualstack_endpoint"),
    *("use_fips_endpoint", "user_agents"),
)
"""Arguments that are lists, maps, numbers or truth values, which the configuration keeps as JSON."""


def in_region(name: str, region: str) -> aws.Provider:
    """Declare a provider of a region with the account, roles, tags and all else of the stack's own."""
    config = pulumi.Config("aws")
    given = {key(each): text for each in (*TEXTS, *PARSED) if (text := config.get(key(each))) is not None}
    found: dict[str, Any] = {
        each: pulumi.Output.secret(value) if is_config_secret(f"aws:{key(each)}") else value
        for each, value in arguments(given).items()
    }
    return aws.Provider(name, region=region, **found)


def arguments(config: Mapping[str, str]) -> dict[str, Any]:
    """Return a provider's arguments of what the configuration of `aws` has by its keys: assumeRoles, defaultTags, ...

    The region is not among them. Raises Refusal for a value that should be JSON and is not.
    """
    texts = {name: config[key(name)] for name in TEXTS if key(name) in config}
    return texts | {name: _parsed(key(name), config[key(name)]) for name in PARSED if key(name) in config}


def key(argument: str) -> str:
    """Return what the configuration calls an argument: assume_roles is assumeRoles."""
    return re.sub("_(.)", lambda found: found[1].upper(), argument)


def _parsed(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise Refusal(f"aws:{name} is {text!r}: write it as YAML or JSON, not as text") from None
