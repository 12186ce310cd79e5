"""`lonja train` and `lonja figures`: learn now, and show the measurements of the last training."""

import asyncio

import typer

from infra.cli.output import AsJson, print_json, print_table, say

app = typer.Typer(no_args_is_help=True, add_completion=False, help="The recommender: learn now, and how good it is.")


@app.command()
def train(as_json: AsJson = False) -> None:
    """Learn from all awards, measure, and use what was learned if it is not worse."""
    import msgspec

    from infra.config import Config
    from infra.runtime import standing
    from services.recommender.store.trainings import Training
    from services.recommender.training import train_now

    async def work() -> Training:
        async with standing(Config.running()) as resources:
            return await train_now(resources)

    if not as_json:
        say("learning; a minute for 20,000 awards")
    training = asyncio.run(work())
    if as_json:
        print_json(msgspec.to_builtins(training))
        return
    verdict = "in use from now on" if training.promoted else "not used"
    say(f"{training.awards} awards to {training.suppliers} suppliers in {training.seconds:.0f} s: {verdict}")
    say(training.reason)


@app.command()
def figures(as_json: AsJson = False) -> None:
    """Show the measurements of the last training, beside those of the baselines."""
    import msgspec

    from infra.config import Config
    from infra.runtime import standing
    from services.recommender.store import trainings

    async def work() -> list[trainings.Training]:
        async with standing(Config.running()) as resources, resources.database.transaction("recommender") as tx:
            return await trainings.newest(tx, 1)

    newest = asyncio.run(work())
    if as_json:
        print_json(msgspec.to_builtins(newest))
    elif newest:
        say(newest[0].reason)
        print_table(("figure", "of", "value"), ((f.name, f.group, f"{f.value:.3f}") for f in newest[0].figures))
    else:
        say("nothing was trained yet")
