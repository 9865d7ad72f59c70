"""Which models got slower than they were, by their time relative to the floor of the same run."""

from __future__ import annotations

from typing import Any

# A model is named when its time relative to the floor grew by more than this share ...
LARGEST_GROWTH = 0.25
# ... and it takes this many seconds: below that, times are the machine's mood.
LEAST_SECONDS = 1.0


def slower(now: dict[str, Any], before: dict[str, Any]) -> list[str]:
    """A sentence for each model that got slower; none where either run has no floor or no models.

    Args:
        now: a run as `contest` writes it.
        before: the committed one.
    """
    sentences = []
    for contestant in ("models", "everything"):
        ratios, earlier = relative(now, contestant), relative(before, contestant)
        seconds = now["contestants"].get(contestant, {}).get("models", {})
        for model in sorted(ratios.keys() & earlier.keys(), key=lambda name: -seconds[name]):
            is_slower = ratios[model] > (1 + LARGEST_GROWTH) * earlier[model]
            if is_slower and seconds[model] >= LEAST_SECONDS:
                sentences.append(
                    f"{model} takes {seconds[model]:.1f} s, {ratios[model]:.3f} of the floor;"
                    f" it was {earlier[model]:.3f} ({contestant})."
                )
    return sentences


def relative(result: dict[str, Any], contestant: str) -> dict[str, float]:
    """Each model's least time over the floor's; nothing where one of the two was not run."""
    told = result["contestants"]
    if "floor" not in told or contestant not in told:
        return {}
    floor = told["floor"]["min_seconds"]
    return {name: seconds / floor for name, seconds in told[contestant]["models"].items()}
