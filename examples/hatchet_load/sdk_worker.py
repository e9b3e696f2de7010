"""The peer of `hatchet_load worker`: the official Python SDK with the same workflows, limits and number of slots.

Takes the folder of workflow files. Python 3.11 or later, for tomllib.
"""

import logging
import sys
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

from hatchet_sdk import ConcurrencyExpression, ConcurrencyLimitStrategy, Context, EmptyModel, Hatchet
from hatchet_sdk.rate_limit import RateLimit, RateLimitDuration
from hatchet_sdk.runnables.workflow import Workflow
from hatchet_sdk.types.idempotency import TTLBasedIdempotencyConfig
from pydantic import BaseModel

SLOTS = 100
UNITS = {"s": 1, "m": 60, "h": 3600}

# By default it writes lines for each task, which ours does not; set here, also in the processes that it starts.
logging.getLogger("hatchet").setLevel(logging.WARNING)

hatchet = Hatchet()


class Children(BaseModel):
    children: int = 4


class Transcript(BaseModel):
    transcript_id: str = ""


def duration(text: str) -> timedelta:
    return timedelta(seconds=int(text[:-1]) * UNITS[text[-1]])


async def nothing(input: Any, ctx: Context) -> dict[str, Any]:
    return {}


def joining(child: Workflow[EmptyModel]) -> Any:
    """A task that makes children and waits for all of them, as the SDK's documentation does it."""

    async def join(input: Any, ctx: Context) -> dict[str, Any]:
        count = getattr(input, "children", 4)
        results = await child.aio_run_many(
            [child.create_bulk_run_item(key=f"c{n:03}") for n in range(count)]
        )
        return {"joined": len(results)}

    return join


def limits(defaults: dict[str, Any], task: dict[str, Any]) -> dict[str, Any]:
    said = defaults | task
    return {
        "schedule_timeout": duration(said["schedule_timeout"]),
        "execution_timeout": duration(said["execution_timeout"]),
        "retries": said["retries"],
        "backoff_factor": float(said["backoff_factor"]),
        "backoff_max_seconds": int(duration(said["backoff_max"]).total_seconds()),
        "rate_limits": [
            RateLimit(static_key=key, units=units) for key, units in said.get("rate_limits", {}).items()
        ],
    }


def of_file(path: Path, name: str, children: Workflow[EmptyModel] | None) -> Workflow[Any]:
    """The workflow that a file describes, under another name, with tasks that do nothing."""
    said = tomllib.loads(path.read_text())
    for limit in said.get("rate_limit", []):
        hatchet.rate_limits.put(limit["key"], limit["limit"], RateLimitDuration[limit["per"].upper()])
    options: dict[str, Any] = {}
    if group := said.get("concurrency"):
        options["concurrency"] = ConcurrencyExpression(
            expression=f"string({group['key']})",
            max_runs=group["max_runs"],
            limit_strategy=ConcurrencyLimitStrategy.GROUP_ROUND_ROBIN,
        )
        options["idempotency"] = TTLBasedIdempotencyConfig(
            key_expression=f"'{name}/' + string({group['key']})", ttl=timedelta(seconds=30)
        )
        options["input_validator"] = Transcript
    workflow = hatchet.workflow(name=name, **options)
    tasks: dict[str, Any] = {}
    for task in said["task"]:
        handler = joining(children) if "fan_out" in task and children else nothing
        parents = [tasks[parent] for parent in task.get("parents", [])]
        decorate = workflow.task(name=task["name"], parents=parents, **limits(said["defaults"], task))
        tasks[task["name"]] = decorate(handler)
    if failed := said.get("on_failure"):
        workflow.on_failure_task(name=failed["name"], **limits(said["defaults"], failed))(nothing)
    return workflow


def of_one_task(name: str, task: str, handler: Any, execution_timeout: str, **options: Any) -> Workflow[Any]:
    workflow = hatchet.workflow(name=name, **options)
    said = {"schedule_timeout": "1h", "execution_timeout": execution_timeout, "retries": 0, "backoff_factor": 1}
    workflow.task(name=task, **limits(said, {"backoff_max": "1s"}))(handler)
    return workflow


def main() -> None:
    files = Path(sys.argv[1])
    noop = of_one_task("LoadNoop", "work", nothing, "10m")
    child = of_one_task("LoadChild", "work", nothing, "10m")
    join = of_one_task("LoadJoin", "fan", joining(child), "1h", input_validator=Children)
    track = of_file(files / "track_processing.toml", "LoadTrack", None)
    pipeline = of_file(files / "diarization_pipeline.toml", "LoadPipeline", track)
    hatchet.worker("bench-sdk", slots=SLOTS, workflows=[noop, child, join, track, pipeline]).start()


if __name__ == "__main__":
    main()
