"""What moto lacks of load balancers, containers and what scales them, repaired in its process like `moto_repairs`."""

import json
from typing import Any

from moto.applicationautoscaling import responses as scaling
from moto.applicationautoscaling.exceptions import AWSValidationException
from moto.core.exceptions import JsonRESTError
from moto.ecs import responses as containers
from moto.elbv2 import models as balancing
from moto.utilities.tagging_service import TaggingService


def repair() -> None:
    """Apply every repair."""
    _certificates_are_there()
    _scalable_targets_have_tags()
    _what_scales_nothing_is_not_found()
    _services_tell_how_they_are_deployed()


def _certificates_are_there() -> None:
    """AWS looks a listener's certificate up in ACM of its region; a sandbox has none, so any of that region will do."""
    registered, exists = balancing.register_certificate, balancing.ELBv2Backend._certificate_exists

    def register(account_id: str, region: str, arn_certificate: str, arn_user: str) -> None:
        if f":acm:{region}:" not in arn_certificate:
            registered(account_id, region, arn_certificate, arn_user)

    def certificate_exists(self: Any, certificate_arn: str) -> bool:
        return f":acm:{self.region_name}:" in certificate_arn or exists(self, certificate_arn)

    balancing.register_certificate = register
    balancing.ELBv2Backend._certificate_exists = certificate_exists


def _scalable_targets_have_tags() -> None:
    """AWS keeps tags of a scalable target; moto knows no call about them."""
    kind, tags = scaling.ApplicationAutoScalingResponse, TaggingService(key_name="Key", value_name="Value")

    def tag(self: Any) -> str:
        given = TaggingService.convert_dict_to_tags_input(self._get_param("Tags"))
        tags.tag_resource(self._get_param("ResourceARN"), given)
        return "{}"

    def untag(self: Any) -> str:
        tags.untag_resource_using_names(self._get_param("ResourceARN"), self._get_param("TagKeys"))
        return "{}"

    def listed(self: Any) -> str:
        return json.dumps({"Tags": tags.get_tag_dict_for_resource(self._get_param("ResourceARN"))})

    made = kind.register_scalable_target

    def make(self: Any) -> str:
        answer: str = made(self)
        given = TaggingService.convert_dict_to_tags_input(self._get_param("Tags"))
        tags.tag_resource(json.loads(answer)["ScalableTargetARN"], given)
        return answer

    kind.register_scalable_target = make
    kind.tag_resource, kind.untag_resource, kind.list_tags_for_resource = tag, untag, listed


def _what_scales_nothing_is_not_found() -> None:
    """AWS says of what scaling does not know that it is not found; moto, that the request is not valid."""
    kind = scaling.ApplicationAutoScalingResponse

    def plainly(act: Any) -> Any:
        def answer(self: Any) -> str:
            try:
                return str(act(self))
            except AWSValidationException as error:
                if error.message.startswith("No scal"):
                    raise JsonRESTError("ObjectNotFoundException", error.message) from None
                raise

        return answer

    kind.deregister_scalable_target = plainly(kind.deregister_scalable_target)
    kind.delete_scaling_policy = plainly(kind.delete_scaling_policy)


def _services_tell_how_they_are_deployed() -> None:
    """AWS describes a service with how it is deployed and how long it may be unwell at first; moto forgets both."""
    kind = containers.EC2ContainerServiceResponse
    kept = {
        "deploymentConfiguration": "deployment_configuration",
        "healthCheckGracePeriodSeconds": "health_check_grace_period_seconds",
        "enableECSManagedTags": "enable_ecs_managed_tags",
    }

    def keeping(act: Any) -> Any:
        def answer(self: Any) -> Any:
            answered = act(self)
            for given, name in kept.items():
                value = self._get_param(given)
                if value is not None:
                    setattr(answered.result["service"], name, value)
            return answered

        return answer

    kind.create_service, kind.update_service = keeping(kind.create_service), keeping(kind.update_service)
