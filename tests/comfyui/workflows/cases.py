"""Workflows of every form that a conversion meets. What the real front end makes of them is in ``expected.json``.

``tests/front_end`` holds the file to the front end; no expected prompt is written by hand.
"""

from typing import Any

from tests.comfyui.workflows.drawing import Json, node, subgraph, version_1, workflow

_MODEL = (("MODEL", "MODEL"), ("CLIP", "CLIP"), ("VAE", "VAE"))
_IMAGE = (("IMAGE", "IMAGE"),)
_SUB, _DEEPER = "00000000-0000-4000-8000-0000000000a1", "00000000-0000-4000-8000-0000000000b2"


def _photo(node_id: int, kind: str = "LoadImage") -> Json:
    outputs = (*_IMAGE, ("MASK", "MASK"))[: 2 if kind == "LoadImage" else 1]
    return node(node_id, kind, [("image", "COMBO", None, "w")], outputs, ["cat.png", "image"])


def _blur(node_id: int, link: int | None, radius: int = 5, *, mode: int = 0, radius_link: int | None = None) -> Json:
    inputs = [("image", "IMAGE", link), ("radius", "INT", radius_link, "w")]
    return node(node_id, "Blur", inputs, _IMAGE, [radius], mode=mode)


def _save(node_id: int, link: int | None, prefix: str = "made", *, mode: int = 0) -> Json:
    inputs = [("images", "IMAGE", link), ("filename_prefix", "STRING", None, "w")]
    return node(node_id, "SaveImage", inputs, (), [prefix], mode=mode)


def _render() -> Json:
    sampler = [
        ("model", "MODEL", 1),
        ("positive", "CONDITIONING", 3),
        ("latent_image", "LATENT", 4),
        ("seed", "INT", None, "w"),
        ("steps", "INT", None, "w"),
    ]
    nodes = [
        node(1, "LoadModel", [("name", "COMBO", None, "w")], _MODEL, ["large.safetensors"]),
        node(
            2,
            "Words",
            [("clip", "CLIP", 2), ("text", "STRING", None, "w")],
            (("CONDITIONING", "CONDITIONING"),),
            ["a cat"],
        ),
        node(3, "Blank", [], (("LATENT", "LATENT"),), [768, 1024]),
        node(4, "Sampler", sampler, (("LATENT", "LATENT"),), [2**48, "randomize", 12, 6.5, "heun", 0.75]),
        node(5, "Decode", [("samples", "LATENT", 5), ("vae", "VAE", 6)], _IMAGE),
        _save(6, 7),
        node(7, "Note", [], (), ["look here"]),
        node(8, "MarkdownNote", [], (), ["# look here"]),
    ]
    lines = [
        (1, 1, 0, 4, 0, "MODEL"),
        (2, 1, 1, 2, 0, "CLIP"),
        (3, 2, 0, 4, 1, "CONDITIONING"),
        (4, 3, 0, 4, 2, "LATENT"),
        (5, 4, 0, 5, 0, "LATENT"),
        (6, 1, 2, 5, 1, "VAE"),
        (7, 5, 0, 6, 0, "IMAGE"),
    ]
    return workflow(nodes, lines)


def _with_primitive(values: list[Any]) -> Json:
    primitive = node(2, "PrimitiveNode", [], (("INT", "INT"),), values)
    nodes = [_photo(1), primitive, _blur(3, 1, radius_link=2), _save(4, 3)]
    return workflow(nodes, [(1, 1, 0, 3, 0, "IMAGE"), (2, 2, 0, 3, 1, "INT"), (3, 3, 0, 4, 0, "IMAGE")])


def _rerouted() -> Json:
    reroutes = [node(at, "Reroute", [("", "*", link)], [("", "IMAGE")]) for at, link in ((2, 1), (3, 2))]
    return workflow(
        [_photo(1), *reroutes, _save(4, 3)],
        [(1, 1, 0, 2, 0, "*"), (2, 2, 0, 3, 0, "*"), (3, 3, 0, 4, 0, "IMAGE")],
    )


def _with_blur(mode: int) -> Json:
    return workflow(
        [_photo(1), _blur(2, 1, mode=mode), _save(3, 2)], [(1, 1, 0, 2, 0, "IMAGE"), (2, 2, 0, 3, 0, "IMAGE")]
    )


def _bypassed_by_type() -> Json:
    """The first input of the bypassed node is a mask; its first output is an image."""
    mask = node(2, "Mask", [("mask", "MASK", 1), ("image", "IMAGE", 2)], (*_IMAGE, ("MASK", "MASK")), mode=4)
    lines = [(1, 1, 1, 2, 0, "MASK"), (2, 1, 0, 2, 1, "IMAGE"), (3, 2, 0, 3, 0, "IMAGE")]
    return workflow([_photo(1), mask, _save(3, 3)], lines)


def _bypassed_source() -> Json:
    source = node(
        1, "LoadImage", [("image", "COMBO", None, "w")], (*_IMAGE, ("MASK", "MASK")), ["cat.png", "image"], mode=4
    )
    return workflow([source, _save(2, 1), _photo(3), _save(4, 2)], [(1, 1, 0, 2, 0, "IMAGE"), (2, 3, 0, 4, 0, "IMAGE")])


def _muted_output() -> Json:
    return workflow([_photo(1), _save(2, 1, mode=2), _save(3, 2)], [(1, 1, 0, 2, 0, "IMAGE"), (2, 1, 0, 3, 0, "IMAGE")])


def _blurring(*, inside: int = 0, deeper: Json | None = None) -> Json:
    """A subgraph that blurs an image, with the radius as an input."""
    inner = deeper or _blur(31, 1, 4, mode=inside, radius_link=2)
    lines = [(1, -10, 0, 31, 0, "IMAGE"), (2, -10, 1, 31, 1, "INT"), (3, 31, 0, -20, 0, "IMAGE")]
    return subgraph(_SUB, [inner], lines, [("image", "IMAGE"), ("strength", "INT")], [("IMAGE", "IMAGE")])


def _use(
    node_id: int, link: int, values: list[Any], *, mode: int = 0, strength: int | None = None, **properties: Any
) -> Json:
    inputs = [("image", "IMAGE", link), ("strength", "INT", strength, "w")]
    return node(node_id, _SUB, inputs, _IMAGE, values, mode=mode, properties=properties)


_THROUGH = [(1, 1, 0, 2, 0, "IMAGE"), (2, 2, 0, 3, 0, "IMAGE")]


def _used(values: list[Any], *, mode: int = 0, inside: int = 0) -> Json:
    return workflow([_photo(1), _use(2, 1, values, mode=mode), _save(3, 2)], _THROUGH, [_blurring(inside=inside)])


def _used_twice() -> Json:
    lines = [*_THROUGH[:1], (2, 2, 0, 4, 0, "IMAGE"), (3, 4, 0, 3, 0, "IMAGE")]
    return workflow([_photo(1), _use(2, 1, [9]), _use(4, 2, [11]), _save(3, 3)], lines, [_blurring()])


def _used_by_primitive() -> Json:
    primitive = node(5, "PrimitiveNode", [], (("INT", "INT"),), [21, "fixed"])
    return workflow(
        [_photo(1), _use(2, 1, [9], strength=3), _save(3, 2), primitive],
        [*_THROUGH, (3, 5, 0, 2, 1, "INT")],
        [_blurring()],
    )


def _nested() -> Json:
    inner = node(31, _DEEPER, [("image", "IMAGE", 1), ("strength", "INT", 2, "w")], _IMAGE, [4])
    lines = [(1, -10, 0, 37, 0, "IMAGE"), (2, -10, 1, 37, 1, "INT"), (3, 37, 0, -20, 0, "IMAGE")]
    ports = ([("image", "IMAGE"), ("strength", "INT")], [("IMAGE", "IMAGE")])
    deeper = subgraph(_DEEPER, [_blur(37, 1, 4, radius_link=2)], lines, *ports)
    return workflow([_photo(1), _use(2, 1, [13]), _save(3, 2)], _THROUGH, [_blurring(deeper=inner), deeper])


def _old_slots() -> Json:
    """Before 1.16 a widget that was turned into an input was the last of the inputs, and forced ones had a value."""
    forced = node(2, "Forced", [("a", "INT", 1)], [("INT", "INT")], [0, 5, "c"])
    pick = node(1, "PrimitiveNode", [], [("INT", "INT")], [3, "fixed"])
    return workflow(
        [pick, forced, node(3, "Tell", [("value", "*", 2)])], [(1, 1, 0, 2, 0, "INT"), (2, 2, 0, 3, 0, "INT")]
    )


def _told(kind: str, values: list[Any], output: str) -> Json:
    source = node(1, kind, [], [(output, output)], values)
    return workflow([source, node(2, "Tell", [("value", "*", 1)])], [(1, 1, 0, 2, 0, output)])


def _named_by_others() -> Json:
    blank = node(1, "Blank", [], [("LATENT", "LATENT")], [640, 480], properties={"Node name for S&R": "Blank"})
    picture = node(
        4,
        "LoadImage",
        [("image", "COMBO", None, "w")],
        (*_IMAGE, ("MASK", "MASK")),
        ["a/b.png", "image"],
        title="The photo",
    )
    return workflow(
        [blank, picture, _save(2, 1, "%Blank.width%x%Blank.height%_%The photo.image%_%nobody.seed%_%width%")],
        [(1, 4, 0, 2, 0, "IMAGE")],
    )


def _spoken(text: str) -> Json:
    return workflow(
        [
            node(1, "LoadModel", [("name", "COMBO", None, "w")], _MODEL, ["small.safetensors"]),
            node(2, "Words", [("clip", "CLIP", 1)], [("CONDITIONING", "CONDITIONING")], [text]),
            node(3, "Tell", [("value", "*", 2)]),
        ],
        [(1, 1, 1, 2, 0, "CLIP"), (2, 2, 0, 3, 0, "CONDITIONING")],
    )


#: Those that front ends since 1.27 make the same of.
CASES: dict[str, Json] = {
    "a render, with notes and a seed": _render(),
    "version 1": version_1(_render()),
    "a primitive": _with_primitive([8, "fixed"]),
    "reroutes": _rerouted(),
    "a bypassed node": _with_blur(4),
    "a bypassed node whose first input does not fit": _bypassed_by_type(),
    "a bypassed node without an input that fits": _bypassed_source(),
    "a muted node in the middle": _with_blur(2),
    "a muted output": _muted_output(),
    "a subgraph": _used([9]),
    "a subgraph without values": _used([]),
    "a subgraph used twice": _used_twice(),
    "a bypassed node in a subgraph": _used([9], inside=4),
    "an old seed": _told("OldSeed", [12, "fixed", True], "NOISE"),
    "a node from before its inputs": _told("OldSeed", [12, "fixed"], "NOISE"),
    "a node without values": _told("OldSeed", [], "NOISE"),
    "a choice with a control and a filter": _told("Pick", ["b", "increment", "x", 4], "STRING"),
    "forced inputs of old": _old_slots(),
    "a name from other nodes": _named_by_others(),
    "choices in a text": _spoken("a {red|blue {car|bus}} /* or not */ \\{so\\}"),
}

#: Those that 1.58 mends, or takes at all.
NEWER_CASES: dict[str, Json] = {
    "a muted subgraph": _used([9], mode=2),
    "a bypassed subgraph": _used([9], mode=4),
    "a nested subgraph": _nested(),
    "values of widgets inside": workflow(
        [_photo(1), _use(2, 1, [17], proxyWidgets=[["31", "radius"]]), _save(3, 2)], _THROUGH, [_blurring()]
    ),
    "a dynamic choice": _told("Sized", ["free", 320, 240, 9], "IMAGE"),
    "the other dynamic choice": _told("Sized", ["square", 320, 9], "IMAGE"),
}

#: Those that 1.27 shows the value of and sends it, and 1.58 shows and does not send.
OLDER_CASES: dict[str, Json] = {
    "a made image": workflow([_photo(1, "LoadMade"), _save(2, 1)], [(1, 1, 0, 2, 0, "IMAGE")]),
    "a primitive outside of a subgraph": _used_by_primitive(),
}
