"""`recognize.py weights ...`: the encoders by name, and bringing them to this machine."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from recognition.commands.common import JsonOption

app = typer.Typer(help="Encoders by name: what there is, what is on this machine, and fetching.")


@app.command(name="list")
def list_encoders(as_json: JsonOption = False) -> None:
    """Say which encoders there are, which of them are on this machine, and where."""
    from recognition.embedding.store import listing

    for row in listing():
        if as_json:
            typer.echo(json.dumps(asdict(row)))
            continue
        facts = f"{row.name:22} {row.state:9} {row.dim:5} numbers {row.megabytes:6} MB  {row.licence}"
        typer.echo(f"{facts}  {row.path or row.repository}{f'  [{row.needs}]' if row.needs else ''}")


@app.command(name="fetch")
def fetch_encoders(
    names: Annotated[list[str], typer.Argument(help="Short names or hub ids.")],
    revision: Annotated[str, typer.Option(help="Branch, tag or commit of the model.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Load files anew that are there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Bring encoders from the Hugging Face hub, for use without a network from then on."""
    from recognition.embedding.store import bring

    for name in names:
        fetched = bring(name, revision, force)
        if as_json:
            typer.echo(json.dumps({"name": name, **asdict(fetched), "path": str(fetched.path)}))
        else:
            size = sum(file.size for file in fetched.files.values()) / 1e6
            typer.echo(f"{name}: {fetched.repository} at {fetched.revision[:12]}, {size:.1f} MB in {fetched.path}")


@app.command(name="verify")
def verify_encoders(
    names: Annotated[
        list[str] | None, typer.Argument(help="Short names or hub ids; all that is here when none is given.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Read weights whole and hold them against the digests of what shipped or was fetched."""
    from recognition.embedding.store import examine

    broken = 0
    for check in examine(names or []):
        broken += bool(check.problems)
        if as_json:
            typer.echo(json.dumps(asdict(check)))
        else:
            typer.echo(f"{check.name}: {'; '.join(check.problems) or f'whole, {check.files} files'}")
    raise typer.Exit(1 if broken else 0)
