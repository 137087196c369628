"""Which project's thing a name means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_background_job.core.naming import Asker, Named, chosen, of_no_project, qualified, reference_of
from mcp_background_job.errors import AmbiguousNameError, ForeignNameError

SHOP = Named("jshop", "/src/shop")
BLOG = Named("jblog", "/src/blog")
OLD_SHOP = Named("jold", "/old/shop")
REMOTE = Named("jhttp", "shop")
LOOSE = Named("jloose", "")


def meant(word: str, candidates: list[Named], project: str, *, changes: bool = False) -> str | None:
    found = chosen(reference_of(word), candidates, Asker(project, changes=changes))
    return found.item_id if found else None


@pytest.mark.parametrize("changes", [False, True])
@pytest.mark.parametrize(
    ("word", "candidates", "project", "found"),
    [
        # What is the asker's own comes first, whoever else has such a name.
        ("dev", [SHOP, BLOG], "/src/shop", "jshop"),
        ("dev", [LOOSE, BLOG], "", "jloose"),
        ("dev", [REMOTE, SHOP], "shop", "jhttp"),
        # What others have is reached by their project, its path or the end of it.
        ("shop/dev", [SHOP, BLOG], "/src/blog", "jshop"),
        ("/src/shop/dev", [SHOP, OLD_SHOP], "/src/blog", "jshop"),
        ("old/shop/dev", [SHOP, OLD_SHOP], "", "jold"),
        ("blog/dev", [SHOP, BLOG, LOOSE], "", "jblog"),
        # Of several that are called alike, the asker's own is meant.
        ("shop/dev", [SHOP, OLD_SHOP], "/old/shop", "jold"),
        ("src/shop/dev", [OLD_SHOP, SHOP], "/src/shop", "jshop"),
        # A project that is just called so is meant before one whose path ends so.
        ("shop/dev", [REMOTE, SHOP], "/src/blog", "jhttp"),
        (of_no_project("dev"), [LOOSE, SHOP], "/src/shop", "jloose"),
        # And nobody else.
        ("hop/dev", [SHOP, BLOG], "/src/shop", None),
        ("nowhere/dev", [SHOP], "/src/shop", None),
        (of_no_project("dev"), [SHOP], "/src/shop", None),
        ("dev", [], "/src/shop", None),
    ],
)
def test_a_name_means(word: str, candidates: list[Named], project: str, found: str | None, *, changes: bool) -> None:
    assert meant(word, candidates, project, changes=changes) == found


@pytest.mark.parametrize("project", ["", "/src/wiki"])
def test_from_elsewhere_a_name_of_one_project_is_found_to_look_at_and_not_to_change(project: str) -> None:
    assert meant("dev", [SHOP], project) == "jshop"
    with pytest.raises(ForeignNameError, match=r"jshop `dev` of /src/shop.*its id or shop/dev") as refusal:
        meant("dev", [SHOP], project, changes=True)
    assert (project or "no project of your own") in str(refusal.value)


def test_from_elsewhere_a_name_of_several_projects_means_none_of_them() -> None:
    with pytest.raises(AmbiguousNameError, match="jshop `dev` of /src/shop, jloose `dev` of no project"):
        meant("dev", [SHOP, LOOSE], "/src/wiki")
    with pytest.raises(AmbiguousNameError, match="more of the project's path"):
        meant("shop/dev", [SHOP, OLD_SHOP], "/src/wiki")


def test_an_error_does_not_name_hundreds_of_projects() -> None:
    many = [Named(f"j{number}", f"/src/{number}") for number in range(300)]
    with pytest.raises(AmbiguousNameError, match="and 295 more"):
        meant("dev", many, "")


PROJECTS = st.sampled_from(["", "/a", "/a/b", "/b", "b", "/c/b"])
CANDIDATES = st.lists(PROJECTS, unique=True, max_size=6).map(
    lambda projects: [Named(f"j{number}", project) for number, project in enumerate(projects)]
)


@given(candidates=CANDIDATES, project=PROJECTS, changes=st.booleans())
def test_a_bare_name_changes_nothing_of_another_project(
    candidates: list[Named], project: str, *, changes: bool
) -> None:
    owner = {candidate.item_id: candidate.project for candidate in candidates}
    try:
        found = meant("dev", candidates, project, changes=changes)
    except (AmbiguousNameError, ForeignNameError):
        assert project not in owner.values()
        return
    if project in owner.values():
        assert found is not None
        assert owner[found] == project
    elif found is not None:
        assert not changes
        assert len(candidates) == 1


@given(candidates=CANDIDATES, asker=PROJECTS, changes=st.booleans())
def test_every_thing_of_a_project_can_be_named_from_everywhere_by_its_whole_path(
    candidates: list[Named], asker: str, *, changes: bool
) -> None:
    for candidate in candidates:
        assert meant(f"{candidate.project}/dev", candidates, asker, changes=changes) == candidate.item_id


def test_a_qualified_name_is_short() -> None:
    assert qualified("/src/shop", "dev") == "shop/dev"
    assert qualified("shop", "dev") == "shop/dev"
    assert qualified("", "dev") == "dev"
