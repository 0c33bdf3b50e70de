"""The one error that tells a person that what they gave can't be used."""

import pulumi


class Refusal(pulumi.RunError):
    """What was given can't be used. The message says what it is, shows its value and says what to write instead.

    Of a run error Pulumi shows the message alone, wherever it is raised: as the program begins, in a component, in an
    apply. Whatever else goes wrong is a mistake of ours and keeps its traceback.
    """
