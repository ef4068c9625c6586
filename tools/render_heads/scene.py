"""One head from its number: draw everything that is random, build, pose, rasterise, shade, and average down."""
# ruff: noqa: PLR2004  # the anatomy is numbers (dm, years) that stand where they are used

from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import accessories
import grow
import hair
import landmarks
import looks
import numpy as np
import paint
import raster
import roots
import shape
import styles
from assets import Assets, load
from background import sample_background
from light import Light, from_light, sample_light
from numba import njit
from shade import LASH_PART, Look, Mesh

CLASSES = ("background", "skin", "nose", "eye", "brow", "ear", "mouth", "hair", "beard", "glasses", "hat", "clothing")
GLASSES_SHARE, HAT_SHARE = 0.08, 0.05
SHADOW_TEXELS = 150
DIRECTIONS = 72  # from which the light of the sky is sampled, once


class Picture(NamedTuple):
    """What one number gives.

    Image (H, W, 3) uint8, mask (H, W) uint8, keypoints (K, 3), depth (H, W) float32 in metres (0 = background).
    """

    image: np.ndarray
    mask: np.ndarray
    keypoints: np.ndarray
    depth: np.ndarray


class Head(NamedTuple):
    """What is random about a head, but for what growing, dressing and colouring it draws from `rngs`."""

    rngs: list[np.random.Generator]
    person: shape.Person
    style: styles.Style
    hat: str | None
    glasses: bool
    expression: np.ndarray  # (M,) weights of targets
    pose: shape.Pose
    light: Light

    @property
    def bearded(self) -> bool:
        """Whether a beard or moustache is grown; stubble is painted on the skin."""
        return self.person.male > 0.3 and self.style.beard not in {"none", "stubble"}

    def attributes(self) -> dict[str, float | str]:
        """Angles in degrees, yaw positive to the right of the picture, pitch down; the unit vector to the key light."""
        ahead = self.pose.head[:, 2]
        yaw, pitch = np.degrees([np.arctan2(ahead[0], ahead[2]), -np.arcsin(np.clip(ahead[1], -1, 1))])
        words = {"hat": bool(self.hat), "glasses": self.glasses, "beard": self.bearded}
        numbers = {"yaw": yaw, "pitch": pitch, "age": self.person.age}
        numbers |= {"light_x": self.light.key[0], "light_y": self.light.key[1]}
        return {
            **{name: round(float(value), 4) for name, value in numbers.items()},
            **{name: "yes" if value else "no" for name, value in words.items()},
        }


class View(NamedTuple):
    """The camera at (0, 0, distance), looking along −z at the origin.

    `focal` and `size` are in samples (`factor` per pixel), the rest in dm.
    """

    focal: float
    size: int
    factor: int
    distance: float
    origin: np.ndarray


@dataclass(frozen=True)
class Studio:
    """Everything that is the same for all heads."""

    assets: Assets
    pools: dict[str, roots.Pool]
    open: np.ndarray  # (V,) how much of the sky a vertex of the neutral head sees
    names: list[str]  # of the keypoints
    vertices: np.ndarray  # (K,)
    beard: dict[str, np.ndarray]  # fields at the vertices


def open_studio(folder: Path | None = None) -> Studio:
    """Load the assets and precompute."""
    assets = load(folder)
    names, vertices = landmarks.keypoint_vertices(assets)
    return Studio(assets, roots.make_pools(assets), openness(assets), names, vertices, roots.beard_field(assets.rest))


def openness(assets: Assets) -> np.ndarray:
    """Ambient occlusion of the neutral head (V,), 0 to 1, from shadow maps of many directions."""
    solid = assets.tris[assets.parts != LASH_PART]
    normals = raster.normals(assets.rest, assets.tris)
    points = assets.rest - shape.CENTRE
    total, weight = np.zeros(len(points)), np.zeros(len(points))
    for i in range(DIRECTIONS):
        z = 1 - 2 * (i + 0.5) / DIRECTIONS
        turn = i * 2.399963
        towards = np.array([np.cos(turn) * np.sqrt(1 - z * z), np.sin(turn) * np.sqrt(1 - z * z), z])
        right = np.cross([0.01, 1, 0.02], towards)
        right /= np.linalg.norm(right)
        axes = np.stack([right, np.cross(towards, right), towards]).astype(np.float32)
        texels = from_light(points, axes, 256)
        nearest = np.full((256, 256), 1e9, np.float32)
        raster.depth_only(texels, solid, nearest)
        x, y = np.clip(texels[:, 0].astype(int), 0, 255), np.clip(texels[:, 1].astype(int), 0, 255)
        cosine = np.maximum(normals @ towards, 0)
        total += cosine * (nearest[y, x] > texels[:, 2] - 0.04 - 0.04 / (cosine + 0.2))
        weight += cosine
    return np.clip((total / (weight + 1e-6)) ** 0.8 * 1.05, 0.08, 1).astype(np.float32)


def sample_head(studio: Studio, seed: int, index: int) -> Head:
    """What is random about head `index` of `seed`."""
    rngs = [np.random.default_rng(stream) for stream in np.random.SeedSequence((seed, index)).spawn(6)]
    person = shape.sample_person(rngs[0], studio.assets)
    style = styles.sample_style(rngs[1], person)
    hat = str(rngs[2].choice(accessories.HATS)) if rngs[2].random() < HAT_SHARE else None
    wears_glasses = rngs[2].random() < GLASSES_SHARE * (0.7 + 0.6 * (person.age > 40))  # years
    if hat:
        keeps = style.name in {"long", "bob", "crop", "buzz", "bald", "side", "pixie", "slick"}
        style = replace(
            style,
            volume=0.07,
            fringe=min(style.fringe, 0.4),
            name=style.name if keeps else "crop",
            length=style.length if keeps else (0.4, 0.25),
        )
    expression = shape.expression(rngs[3], studio.assets, person)
    pose = shape.sample_pose(rngs[3])
    light = sample_light(rngs[4], SHADOW_TEXELS)
    return Head(rngs, person, style, hat, bool(wears_glasses), expression, pose, light)


def draw(studio: Studio, seed: int, index: int, size: int, factor: int = 3) -> Picture:
    """Head `index` of `seed`: the same whatever else is drawn. `factor`² samples per pixel."""
    head = sample_head(studio, seed, index)
    rngs, person, style, pose, light = head.rngs, head.person, head.style, head.pose, head.light
    weights = person.weights + head.expression
    verts = shape.settle(shape.morph(studio.assets.rest, studio.assets.targets, weights), studio.assets)
    view = sample_view(rngs[4], size, factor)
    strands, table = grow_all(rngs[1], studio, head, verts)
    pieces = []
    if head.hat:
        tilt = rngs[2].normal(0, 3)
        pieces = accessories.hat(rngs[2], head.hat, table, tilt)
        strands = under_hat(strands, head.hat, tilt)
    if head.glasses:
        pieces += accessories.glasses(rngs[2], face_of(studio, verts))
    mesh = assemble(studio, style, verts, pieces, looks.sample_neckline(rngs[2]))
    mesh, strands = posed(mesh, strands, pose, view.origin)
    look = looks.sample_look(rngs[5], person, style, eye_spheres(studio, mesh.verts), pose)
    return finish(studio, mesh, strands, look, light, view, sample_background(rngs[4], view.size))


def sample_view(rng: np.random.Generator, size: int, factor: int) -> View:
    """Framing: the head fills the picture as in portrait collections."""
    distance = rng.uniform(9, 20)
    height = rng.normal(3.2, 0.08)
    origin = shape.CENTRE + np.array([rng.normal(0, 0.05), rng.normal(0.01, 0.05), 0])
    return View(size * factor * distance / height, size * factor, factor, distance, origin.astype(np.float32))


def grow_all(
    rng: np.random.Generator, studio: Studio, head: Head, verts: np.ndarray
) -> tuple[hair.Strands, np.ndarray]:
    """All strands on the unposed head, and the reach table of the head."""
    assets, style = studio.assets, head.style
    table = grow.reach(verts, assets.rest, assets.regions[:, 2], shape.SKULL)
    on = hair.Surface(verts, raster.normals(verts, assets.tris), assets.tris)
    down = (head.pose.head.T @ np.array([0, -1, 0])).astype(np.float32)
    parts = [
        hair.scalp_strands(rng, style, studio.pools["scalp"], on, table, down),
        hair.brow_strands(rng, style, studio.pools["brow"], on),
    ]
    if style.name == "bun":
        upper = verts[assets.rest[:, 1] > 8]
        parts.append(hair.bun(rng, style, upper[np.argmax(upper[:, 1])]))
    if head.bearded:
        parts.append(hair.beard_strands(rng, style, studio.pools["beard"], on))
    return hair.joined(parts), table


def under_hat(strands: hair.Strands, kind: str, tilt: float) -> hair.Strands:
    """Strands without what a hat covers."""
    points = strands.points.reshape(-1, 3)
    azimuth, elevation = roots.angles(points)
    hidden = (elevation > accessories.hat_edge(kind, azimuth, tilt) + 1).reshape(strands.widths.shape)
    return strands._replace(
        widths=np.where(hidden & (strands.material == hair.HAIR)[:, None], 0, strands.widths).astype(np.float32)
    )


def face_of(studio: Studio, verts: np.ndarray) -> accessories.Face:
    """Where glasses rest on this face."""
    spheres = eye_spheres(studio, verts)
    at = {name: verts[vertex] for name, vertex in zip(studio.names, studio.vertices, strict=True)}
    return accessories.Face(spheres[0, :3], spheres[1, :3], at["nose_bridge"], at["left_ear_top"], at["right_ear_top"])


def eye_spheres(studio: Studio, verts: np.ndarray) -> np.ndarray:
    """Middle and radius (2, 4) of the left and the right eyeball.

    The front half of the mesh bulges, so the sides give the radius.
    """
    spheres = np.zeros((2, 4), np.float32)
    eye = np.unique(studio.assets.tris[studio.assets.parts == 1])
    for row, sign in enumerate((1, -1)):
        ball = verts[eye[sign * studio.assets.rest[eye, 0] > 0]]
        spheres[row, :3] = 0.5 * (ball.max(0) + ball.min(0))
        spheres[row, 3] = 0.25 * (np.ptp(ball[:, 0]) + np.ptp(ball[:, 1]))
    return spheres


def assemble(
    studio: Studio, style: styles.Style, verts: np.ndarray, pieces: list[accessories.Piece], neckline: looks.Neckline
) -> Mesh:
    """Body, clothing and accessories in one mesh, not posed yet (normals are still missing)."""
    assets = studio.assets
    scalp = roots.smooth(-1.5, 2.5, roots.scalp_field(assets.rest, style.high, style.temple, style.nape)) * (
        assets.regions[:, 2] < 0.2
    )
    if style.name == "bald":
        scalp = scalp * 0.14 * (style.stubble + 0.3)
    field = styles.BEARD_FIELD.get(style.beard)
    beard = studio.beard[field] if field else np.zeros(len(verts))
    cloth = looks.below(neckline, assets.rest)
    lift = neckline.thickness * roots.smooth(0.0, 0.1, cloth)[:, None] * (assets.regions.sum(1) < 0.1)[:, None]
    body = (verts + raster.normals(verts, assets.tris) * lift).astype(np.float32)
    painted = np.stack([scalp, studio.beard["stubble"], beard, cloth], 1)
    starts = np.cumsum([len(verts)] + [len(piece.verts) for piece in pieces])
    extra = sum(len(piece.verts) for piece in pieces)
    flat = np.zeros((extra, 4), np.float32)
    flat[:, 3] = np.concatenate([piece.depth for piece in pieces]) if pieces else 0
    shine = [
        np.where(piece.verts[:, 1] > piece.verts[:, 1].mean(), 0.9, 0.1)
        if piece.part == accessories.LENS_PART
        else np.ones(len(piece.verts))
        for piece in pieces
    ]
    return Mesh(
        np.concatenate([body, *(piece.verts for piece in pieces)]).astype(np.float32),
        np.zeros((len(verts) + extra, 3), np.float32),
        np.concatenate([assets.rest, *(piece.verts for piece in pieces)]).astype(np.float32),
        np.concatenate([assets.regions, np.zeros((extra, 4))]).astype(np.float32),
        np.concatenate([painted, flat]).astype(np.float32),
        np.concatenate([studio.open, *shine]).astype(np.float32),
        np.concatenate(
            [assets.tris, *(piece.tris + start for piece, start in zip(pieces, starts, strict=False))]
        ).astype(np.int32),
        np.concatenate([assets.parts, *(np.full(len(piece.tris), piece.part) for piece in pieces)]).astype(np.int32),
    )


def posed(mesh: Mesh, strands: hair.Strands, pose: shape.Pose, origin: np.ndarray) -> tuple[Mesh, hair.Strands]:
    """Mesh with normals and strands, in camera axes."""
    verts = shape.apply_pose(mesh.verts, mesh.rest, pose.head, pose.body, origin)
    points = strands.points.reshape(-1, 3)
    points = shape.apply_pose(points, points, pose.head, pose.body, origin).reshape(strands.points.shape)
    return mesh._replace(verts=verts, normals=raster.normals(verts, mesh.tris)), strands._replace(points=points)


def finish(
    studio: Studio, mesh: Mesh, strands: hair.Strands, look: Look, light: Light, view: View, colour: np.ndarray
) -> Picture:
    """Rasterise, shade over the background `colour`, and average down."""
    over_parts = (mesh.parts == LASH_PART) | (mesh.parts == accessories.LENS_PART)
    solid, above = np.flatnonzero(~over_parts), np.flatnonzero(over_parts)
    texels = from_light(mesh.verts, light.axes, SHADOW_TEXELS)
    raster.depth_only(texels, mesh.tris[solid], light.shadow)
    visible = strands.points[(strands.widths[:, 1] > 0)]
    raster.points_into(from_light(visible.reshape(-1, 3), light.axes, SHADOW_TEXELS), light.shadow)
    middle = 0.5 * view.size
    screen = raster.project(mesh.verts, view.focal, middle, view.distance)
    shape_ = (view.size, view.size)
    depth, owner, bary = (
        np.full(shape_, 1e9, np.float32),
        np.full(shape_, -1, np.int32),
        np.zeros((*shape_, 2), np.float32),
    )
    raster.triangles(screen, mesh.tris[solid], 0, depth, owner, bary)
    owner = np.where(owner >= 0, solid[owner], -1).astype(np.int32)
    threads = raster.project(strands.points.reshape(-1, 3), view.focal, middle, view.distance).reshape(
        strands.points.shape
    )
    raster.strands(threads, strands.widths * (view.focal / view.distance), 0.01, depth, owner, bary)
    over_depth, over, over_bary = depth.copy(), np.full(shape_, -1, np.int32), np.zeros((*shape_, 2), np.float32)
    raster.triangles(screen, mesh.tris[above], 0, over_depth, over, over_bary)
    over = np.where(over >= 0, above[over] if len(above) else -1, -1).astype(np.int32)
    classes = np.zeros(shape_, np.uint8)
    paint.shade(
        mesh, strands, look, light, (depth, owner, bary, over, over_bary), view.focal, view.distance, colour, classes
    )
    image, mask, metres = average(colour, classes, np.minimum(depth, over_depth), view.factor, len(CLASSES))
    pupils = look.eyes[:, :3] + look.gaze * look.eyes[:, 3:]
    at = screen.copy()
    for row, side in enumerate(("left", "right")):
        at[studio.vertices[studio.names.index(f"{side}_pupil")]] = raster.project(
            pupils[row : row + 1].astype(np.float32), view.focal, middle, view.distance
        )[0]
    return Picture(image, mask, landmarks.locate(at, studio.vertices, depth, view.factor), metres)


@njit(cache=True)
def encoded(value: float) -> int:
    """Linear light 0 to 1 → sRGB 0 to 255."""
    value = 12.92 * value if value < 0.0031308 else 1.055 * value ** (1 / 2.4) - 0.055
    return int(min(max(value, 0.0), 1.0) * 255 + 0.5)


@njit(cache=True)
def depth_of(depth: np.ndarray, classes: np.ndarray, y: int, x: int, factor: int, wanted: int) -> float:
    """Depth of the sample of the wanted class nearest to the middle of the pixel whose first sample is (y, x)."""
    nearest, found = 1e9, 0.0
    for j in range(factor):
        for i in range(factor):
            away = (2 * i + 1 - factor) ** 2 + (2 * j + 1 - factor) ** 2
            if classes[y + j, x + i] == wanted and away < nearest:
                nearest, found = away, depth[y + j, x + i]
    return found


@njit(cache=True)
def average(
    colour: np.ndarray, classes: np.ndarray, depth: np.ndarray, factor: int, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Samples → pixels.

    Mean of the tone-mapped linear light, most frequent class, depth (m) of that class's sample nearest to the pixel's
    centre.
    """
    size = colour.shape[0] // factor
    image, mask, metres = (
        np.empty((size, size, 3), np.uint8),
        np.empty((size, size), np.uint8),
        np.zeros((size, size), np.float32),
    )
    for y in range(size):
        for x in range(size):
            votes, total = np.zeros(count), np.zeros(3)
            for j in range(factor):
                for i in range(factor):
                    votes[classes[y * factor + j, x * factor + i]] += 1 + (
                        0.1 if 2 * i + 1 == factor and 2 * j + 1 == factor else 0
                    )
                    for k in range(3):
                        v = max(colour[y * factor + j, x * factor + i, k], 0.0) * 1.05
                        total[k] += min(v * (1 + v * 0.12) / (1 + v * 0.42), 1.0)  # soft shoulder
            best = np.argmax(votes)
            mask[y, x] = best
            for k in range(3):
                image[y, x, k] = encoded(total[k] / (factor * factor))
            if best > 0:
                metres[y, x] = 0.1 * depth_of(depth, classes, y * factor, x * factor, factor, best)
    return image, mask, metres
