"""Commands for the Hugging Face Hub: pull, push, publish and search."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from zoo.commands import console
from zoo.commands.console import show_json, show_table, show_text
from zoo.commands.options import FOLDER, Command, common, is_quiet, json_option, names
from zoo.errors import InputError, ZooError

if TYPE_CHECKING:
    from zoo.hub.publish import Parcel
    from zoo.hub.pull import Pulled


@click.command(
    cls=Command,
    page="reference/hub",
    examples=[
        ("Fetch a backbone and check it", "zoo pull multi-113k"),
        (
            "Fetch somebody else's model at a fixed commit, as a folder",
            "zoo pull hf://ada/hardness@0123456789abcdef0123456789abcdef01234567 --to hardness",
        ),
    ],
)
@click.argument("names", nargs=-1, shell_complete=names("backbone"))
@click.option("--all", "everything", is_flag=True, help="Every registered backbone that has weights.")
@click.option(
    "--to", type=FOLDER, help="Also copy the model into this folder; several go into subfolders with their names."
)
@click.option(
    "--source",
    type=click.Choice(["auto", "hub", "bundled"]),
    default="auto",
    show_default=True,
    help="Where to take the weights from. auto prefers the copies in the package, which have the same SHA-256.",
)
@click.option("--force", is_flag=True, help="Download again even if the files are there; overwrite what is in --to.")
@common
@click.pass_context
def pull(
    ctx: click.Context, names: tuple[str, ...], everything: bool, to: Path | None, source: Any, force: bool
) -> None:
    """Fetch backbones and check every byte.

    NAMES are registered names, hf://owner/repo or hf://owner/repo@revision; several are fetched at the same time.
    """
    from zoo.hub.copies import available, pull_all

    if everything == bool(names):
        raise InputError("say which backbones to pull, or --all" if not names else "give names or --all, not both")
    failed: list[ZooError] = []
    refs = available() if everything else names
    for ref, pulled in pull_all(refs, source=source, force=force, to=to, quiet=is_quiet(ctx)):
        if isinstance(pulled, ZooError):
            failed.append(pulled)
            if len(refs) > 1:
                show_text(f"Error: {console.one_line(str(pulled))}", err=True)
            continue
        show_text(pulled_line(pulled, pinned=not ref.startswith("hf://")))
        labels = pulled.card.training.labels if pulled.card else None
        for line in filter(None, (pulled.note, f"labels: {labels}" if labels else "")):
            show_text(f"  {line}")
    if failed:
        worst = max(failed, key=lambda error: error.exit_code)
        if len(refs) == 1:
            raise worst
        raise console.Failure(f"{len(failed)} of {len(refs)} could not be pulled", worst.exit_code)


@click.command(
    cls=Command,
    page="how-to/share",
    examples=[
        ("See what would be sent", "zoo push runs/dielectric-multi-113k ada/dielectric --dry-run"),
        ("Send it to a private repository", "zoo push runs/dielectric-multi-113k ada/dielectric --private"),
        (
            "Send it, and write the files of a page on the Hub on which people try it",
            "zoo push runs/dielectric-multi-113k ada/dielectric --space",
        ),
    ],
)
@click.argument("source", metavar="RUN|NAME", shell_complete=names("backbone"))
@click.argument("repo", metavar="OWNER/REPO")
@click.option("--private", is_flag=True, help="Create a private repository.")
@click.option("--create-pr", is_flag=True, help="Make a pull request instead of changing the branch.")
@click.option("--revision", metavar="BRANCH", help="Branch to push to; created if it does not exist.  [default: main]")
@click.option("--license", metavar="ID", help="Licence, as the Hub writes it: cc-by-4.0, mit, …  [default: the card's]")
@click.option("--package", type=FOLDER, help="Also write a Python package that registers the backbone.")
@click.option(
    "--space",
    type=FOLDER,
    is_flag=False,
    flag_value="",
    metavar="[DIR]",
    help="Also write the files of a Space, a page on the Hub for trying the model.  [default: REPO-space]",
)
@click.option("--dry-run", is_flag=True, help="Show every file and the card; send nothing.")
@common
def push(
    source: str,
    repo: str,
    private: bool,
    create_pr: bool,
    revision: str | None,
    license: str | None,  # noqa: A002
    package: Path | None,
    space: Path | None,
    dry_run: bool,
) -> None:
    """Put a fine-tuned run or a backbone on the Hugging Face Hub, with a card that says what it is.

    Log in once with 'hf auth login', or set HF_TOKEN; a token is never given on the command line.
    """
    from zoo.commands.web.space import UNKNOWN, space_files, write_space
    from zoo.hub import publish as publishing

    if package is not None and package.exists():
        raise InputError(f"{package} exists already; choose another folder for the package")
    if space is not None:
        # An option without a value is an empty path, which is the folder "."
        space = Path(f"{repo.rpartition('/')[2]}-space") if space == Path() else space
        if space.exists():
            raise InputError(f"{space} exists already; choose another folder for the Space")
    parcel = publishing.pack(source, repo, license=license)
    page = partial(space_files, parcel.repo, title=parcel.card.title, plugins=parcel.plugins)
    files = page(UNKNOWN) if space is not None else {}  # or its error, before anything is sent
    if dry_run:
        show_parcel(parcel)
        show_text()
        show_text(parcel.readme)
        for name, text in files.items():
            show_text(f"--- {space}/{name} ---\n{text}")
        show_text(f"dry run: nothing was sent to {parcel.repo}")
        return
    pushed = publishing.push(parcel, private=private, create_pr=create_pr, revision=revision)
    show_parcel(parcel)
    if not pushed.changed:
        show_text(f"{pushed.repo} has these bytes already, at commit {pushed.commit}")
    elif pushed.pull_request:
        show_text(f"pull request  {pushed.pull_request}")
    else:
        show_text(f"pushed     {pushed.url}")
    show_text(f"pull it    zoo pull hf://{pushed.repo}@{pushed.commit}")
    if space is not None:
        write_space(page(pushed.commit), space)
        show_text(
            f"space      {space}: hf repos create {pushed.repo} --type space --space-sdk docker, "
            f"then hf upload {pushed.repo} {space} --type space"
        )
    if package is not None:
        publishing.write_package(pushed.entry, package, parcel.items)
        show_text(f"package    {package}: pip install it, and '{pushed.entry.name}' is a name like any other")
        return
    show_text(f"\nTo register it under a name, save this as {pushed.entry.name}.md among the cards of a package:\n")
    show_text(pushed.entry.render())


@click.command(
    cls=Command,
    page="how-to/share",
    examples=[
        ("See what would be sent", "zoo publish --dry-run"),
        ("Send it to the repositories of an organisation", "zoo publish --org crystal-zoo"),
    ],
)
@click.option("--org", metavar="ORG", help="Owner of the repositories.  [default: as the cards say]")
@click.option("--dry-run", is_flag=True, help="Show what would be sent; send nothing, change no card.")
@common
def publish(org: str | None, dry_run: bool) -> None:
    """Put the whole shelf on the Hugging Face Hub, and pin its commits in the cards.

    For zoo's maintainers, in a clone. What is there already makes no new commit.
    """
    from zoo.hub.publish import publish_shelf
    from zoo.registry.backbones import shelf

    def say(line: str) -> None:
        show_text(line, err=True)

    for card, parcel, pushed in publish_shelf(shelf(), org, dry_run=dry_run, say=say):
        if pushed is None:
            show_parcel(parcel)
        else:
            what = "pushed" if pushed.changed else "unchanged"
            show_text(f"{card.name}: {what}, {pushed.repo} at commit {pushed.commit}, pinned in {card.source}")
    if dry_run:
        show_text("dry run: nothing was sent, no card was changed")


@click.command(
    cls=Command,
    page="how-to/share",
    examples=[
        ("Models of a property", "zoo search bulk modulus"),
        ("Everything made with zoo, for a program", "zoo search --json"),
    ],
)
@click.argument("text", nargs=-1)
@json_option
@common
def search(text: tuple[str, ...], as_json: bool) -> None:
    """Find models for zoo on the Hugging Face Hub.

    All words of TEXT must occur in a model's name, property, tags or base model.
    """
    from zoo.hub.search import search as run

    found = run(" ".join(text))
    if as_json:
        show_json([each.overview() for each in found])
    elif found:
        header = ("reference", "target", "unit", "metrics", "from")
        show_table(header, [each.row() for each in found], keep=("reference",), drop=("from", "unit"))
        show_text(
            "These errors are their owners' claims; nobody has checked them. 'zoo list' shows zoo's own backbones."
        )
    else:
        show_text("no model found; 'zoo list' shows those that are registered here", err=True)


def show_parcel(parcel: Parcel) -> None:
    """Print the files of a parcel."""
    rows = [(item.name, f"{item.size:,}", item.sha256) for item in parcel.items]
    title = f"{parcel.repo}: license {parcel.card.hub.license}"
    show_table(("file", "bytes", "SHA-256"), rows, title=title, keep=("file",), drop=("SHA-256",))


def pulled_line(pulled: Pulled, *, pinned: bool) -> str:
    """Say where a backbone was taken from and where it lies.

    Parameters
    ----------
    pulled : Pulled
    pinned : bool
        Whether a registered card pins the digests. What a stranger's repository sends is checked against
        nothing, so it is not called verified.
    """
    origin = {
        "bundled": "from the bundle",
        "cache": "from the Hub's cache",
        "hub": "from the Hub",
        "directory": "a folder of this machine",
    }[pulled.origin]
    commit = f", commit {pulled.revision[:12]}" if pulled.revision else ""
    checked = ", verified" if pinned and pulled.digests else ""
    return f"{pulled.name}: {origin}{commit}{checked}, in {pulled.directory}"
