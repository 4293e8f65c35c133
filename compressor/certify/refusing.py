"""What cannot be certified, refused before anything is computed."""

from collections.abc import Sequence

from compressor.attacks.threat import Threat
from compressor.certify.demand import Demands
from compressor.certify.twins import check_labels
from compressor.data.images import ImageSet
from compressor.errors import CertifyError, OptionError
from compressor.load.checkpoint import Checkpoint


def check_options(confidence: float, batch_size: int, audit: int) -> None:
    """Refuse numbers that cannot be.

    Raises:
        OptionError: a confidence outside (0, 1), a batch size below 1, or a negative audit.
    """
    if not 0 < confidence < 1:
        raise OptionError(f"confidence must be between 0 and 1, not {confidence}", advice="use 0.95")
    if batch_size < 1:
        raise OptionError(f"the batch size must be at least 1, not {batch_size}", advice="leave it out to use 256")
    if audit < 0:
        raise OptionError(f"--audit must not be negative, and is {audit}", advice="leave it out to audit nothing")


def check_demands(demands: Demands | None, threats: Sequence[Threat], baseline: Checkpoint | None) -> None:
    """Refuse to decide what nothing is measured for.

    Raises:
        OptionError: a drop is limited, and there is no model that it could be a drop from.
    """
    for demand in demands.each if demands else ():
        assert demand.threat is None or demand.threat in threats, "the caller attacks every threat that it decides on"
        if demand.most_drop is not None and baseline is None:
            raise OptionError(
                "the policy limits what may be lost against the baseline, and there is none to compare with",
                advice="add --baseline with the model as delivered",
            )


def check_proving(*, prove: bool, threats: Sequence[Threat]) -> None:
    """Refuse to prove where there is no threat.

    Raises:
        OptionError: a proof was asked for, and no threat named.
    """
    if prove and not threats:
        raise OptionError(
            "--prove was asked for, and no threat is named: there is nothing to prove",
            advice="name one, for example --threat linf:2/255, or leave --prove out",
        )


def check_auditing(*, audit: int, threats: Sequence[Threat]) -> None:
    """Refuse to audit where there is no threat.

    Raises:
        OptionError: an audit was asked for, and no threat named.
    """
    if audit and not threats:
        raise OptionError(
            f"--audit {audit} was asked for, and no threat is named: there are no survivors to audit",
            advice="name one, for example --threat linf:2/255, or leave --audit out",
        )


def check_models(model: Checkpoint, images: ImageSet, baseline: Checkpoint | None) -> None:
    """Refuse models and images that do not fit each other.

    Raises:
        CertifyError: they differ in shape or classes.
    """
    check_labels(images.labels, model)
    if tuple(images.shape) != tuple(model.input_shape):
        raise CertifyError(
            f"the images are {tuple(images.shape)}, the model takes {tuple(model.input_shape)}",
            advice="open the data with the model's --input-size",
        )
    if baseline is not None and (baseline.input_shape, baseline.num_classes) != (model.input_shape, model.num_classes):
        raise CertifyError(
            f"the baseline takes {tuple(baseline.input_shape)} and answers {baseline.num_classes} classes, the model "
            f"{tuple(model.input_shape)} and {model.num_classes}",
            advice="give the model that this one was made from",
        )
