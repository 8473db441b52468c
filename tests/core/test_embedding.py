"""Neighbours, projections and character classes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from mmcore import BOUNDARY, Vocab, embedding

TABLE = np.array([[1.0, 0.0], [2.0, 0.1], [0.0, 3.0], [-1.0, 0.0]])


def random_table(seed: int, rows: int, columns: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=(rows, columns))


def test_neighbours_by_cosine_look_at_directions_and_by_euclidean_at_places() -> None:
    by_angle = embedding.neighbours(TABLE, 0, "cosine")
    by_place = embedding.neighbours(TABLE, 0, "euclidean")
    assert by_angle["id"].tolist() == [1, 2, 3]
    assert by_angle["closeness"].tolist() == pytest.approx([2 / np.hypot(2, 0.1), 0.0, -1.0])
    assert by_place["id"].tolist() == [1, 3, 2]
    assert by_place["closeness"].tolist() == pytest.approx([np.hypot(1, 0.1), 2.0, np.hypot(1, 3)])


def test_a_row_of_zeros_is_near_no_direction() -> None:
    assert embedding.neighbours(np.array([[0.0, 0.0], [1.0, 2.0]]), 0)["closeness"].tolist() == [0.0]


def test_equally_near_rows_stay_in_the_order_of_their_ids() -> None:
    assert embedding.neighbours(np.ones((5, 3)), 2, "euclidean")["id"].tolist() == [0, 1, 3, 4]


@pytest.mark.parametrize(
    ("index", "metric", "rule"),
    [(0, "angle", "metric must be one of cosine, euclidean, got 'angle'"), (9, "cosine", "index must be from 0 to 3")],
)
def test_neighbours_name_what_is_wrong(index: int, metric: str, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        embedding.neighbours(TABLE, index, metric)


@given(seed=st.integers(0, 100), rows=st.integers(4, 30), columns=st.integers(2, 12))
@settings(max_examples=25)
def test_pca_agrees_with_scikit_learn_up_to_the_sign_of_an_axis(seed: int, rows: int, columns: int) -> None:
    table = random_table(seed, rows, columns)
    ours, theirs = embedding.pca(table), PCA(2).fit(table)
    assert np.abs(ours.points) == pytest.approx(np.abs(theirs.transform(table)), abs=1e-9)
    assert ours.explained == pytest.approx(theirs.explained_variance_ratio_, abs=1e-12)


def test_pca_of_all_components_keeps_every_distance() -> None:
    table = random_table(1, 9, 4)
    points = embedding.pca(table, 4).points
    before = np.linalg.norm(table[:, None] - table, axis=2)
    assert np.linalg.norm(points[:, None] - points, axis=2) == pytest.approx(before)


def test_pca_does_not_flip_when_the_axes_of_the_table_do() -> None:
    table = random_table(2, 9, 4)
    moved = embedding.pca(table + 5)
    assert moved.points == pytest.approx(embedding.pca(table).points)
    weights = np.linalg.lstsq(table - table.mean(0), embedding.pca(table).points, rcond=None)[0]
    assert (weights[np.abs(weights).argmax(axis=0), [0, 1]] > 0).all()


@pytest.mark.parametrize("table", [np.ones((5, 3)), np.arange(5.0)[:, None]])
def test_pca_of_less_than_a_plane_is_finite(table: NDArray[np.float64]) -> None:
    projection = embedding.pca(table)
    assert projection.points.shape == (5, 2)
    assert projection.points[:, 1] == pytest.approx(0)
    assert np.isfinite(projection.explained).all()


@pytest.mark.parametrize("columns", [1, 10])
def test_tsne_keeps_two_far_groups_apart_and_repeats_itself(columns: int) -> None:
    table = random_table(3, 24, columns) * 0.1
    table[:12] += 20
    mapped = embedding.tsne(table, seed=4)
    assert mapped.shape == (24, 2)
    assert np.array_equal(mapped, embedding.tsne(table, seed=4))
    distances = np.linalg.norm(mapped[:, None] - mapped, axis=2) + np.diag(np.full(24, np.inf))
    nearest = distances.argmin(axis=1)
    assert ((nearest < 12) == (np.arange(24) < 12)).all()


def test_tsne_of_almost_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 3 symbols"):
        embedding.tsne(TABLE[:2])


@pytest.mark.parametrize("dimensions", [1, 2, 5])
@pytest.mark.parametrize("mirrored", [False, True])
def test_procrustes_undoes_a_turn_a_mirror_and_a_move(dimensions: int, mirrored: bool) -> None:
    points = random_table(6, 27, dimensions)
    turn, _ = np.linalg.qr(random_table(7, dimensions, dimensions))
    turn[0] *= -1 if mirrored else 1
    moved = points @ turn + 5
    assert np.allclose(embedding.procrustes(moved, points), points)
    assert np.allclose(embedding.procrustes(3 * moved, points, scaled=True), points)
    assert not np.allclose(embedding.procrustes(3 * moved, points), points)  # distances are kept


def test_procrustes_comes_nearer_than_any_other_turn() -> None:
    points, reference = random_table(8, 20, 2), random_table(9, 20, 2)
    best = np.linalg.norm(embedding.procrustes(points, reference) - reference)
    centred = points - points.mean(axis=0)
    for angle in np.linspace(0, 2 * np.pi, 73):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        assert best <= np.linalg.norm(centred @ turn + reference.mean(axis=0) - reference) + 1e-12


def test_procrustes_to_scale_keeps_strangers_as_spread_out_as_the_reference() -> None:
    points, reference = 7 * random_table(12, 30, 2), random_table(13, 30, 2)
    placed = embedding.procrustes(points, reference, scaled=True)
    assert np.linalg.norm(placed - placed.mean(axis=0)) == pytest.approx(
        np.linalg.norm(reference - reference.mean(axis=0))
    )
    assert placed.mean(axis=0) == pytest.approx(reference.mean(axis=0))


def test_procrustes_of_points_in_one_place() -> None:
    assert np.allclose(embedding.procrustes(np.ones((3, 2)), np.zeros((3, 2)), scaled=True), 0)
    with pytest.raises(ValueError, match=r"points must be of the reference's shape \(3, 2\), got \(3, 1\)"):
        embedding.procrustes(np.ones((3, 1)), np.zeros((3, 2)))


def test_a_film_does_not_spin() -> None:
    table = random_table(12, 27, 6) * [9, 6, 1, 1, 1, 1]
    drift, turned = random_table(13, 27, 6) * 0.01, []
    for i in range(8):  # the same slow drift, seen from another side each time
        turn, _ = np.linalg.qr(random_table(20 + i, 6, 6))
        turned.append((table + i * drift) @ turn + i)
    frames = embedding.film(turned)
    assert frames.shape == (8, 27, 2)
    assert np.allclose(frames[-1], embedding.plane(turned[-1])[0])
    alone = np.stack([embedding.plane(one)[0] for one in turned])
    assert np.abs(np.diff(frames, axis=0)).max() < 0.1 < np.abs(np.diff(alone, axis=0)).max()
    for frame, own in zip(frames, alone, strict=True):  # a picture turned keeps its distances
        assert np.linalg.norm(frame[:, None] - frame, axis=2) == pytest.approx(
            np.linalg.norm(own[:, None] - own, axis=2)
        )


@pytest.mark.parametrize("dimensions", [1, 2])
def test_a_film_of_what_can_be_drawn_is_the_tables_themselves(dimensions: int) -> None:
    tables = [random_table(i, 5, dimensions) for i in range(3)]
    assert np.array_equal(embedding.film(tables), np.stack(tables))
    with pytest.raises(ValueError, match="tables must be at least one, got 0"):
        embedding.film([])


def test_common_neighbours_are_all_of_them_after_a_turn_and_chance_between_strangers() -> None:
    table = random_table(10, 60, 4)
    turn, _ = np.linalg.qr(random_table(11, 4, 4))
    same = embedding.common_neighbours(table, 2 * table @ turn, 5)
    assert (same["share"] == 1).all()
    assert same["common"][7] == embedding.neighbours(table, 7)["id"].tolist()[:5]
    shares = [
        embedding.common_neighbours(random_table(seed, 60, 4), random_table(seed + 100, 60, 3), 5)["share"].mean()
        for seed in range(12)
    ]
    assert np.mean(shares) == pytest.approx(5 / 59, abs=0.02)


def test_common_neighbours_need_the_same_symbols() -> None:
    with pytest.raises(ValueError, match="second must be a table of 27 rows, got 26"):
        embedding.common_neighbours(random_table(1, 27, 3), random_table(1, 26, 3), 5)
    with pytest.raises(ValueError, match="count must be from 1 to 26, got 27"):
        embedding.common_neighbours(random_table(1, 27, 3), random_table(1, 27, 3), 27)


def test_looking_up_is_multiplying_by_one_hot() -> None:
    table = random_table(5, 27, 10).astype(np.float32)
    assert embedding.one_hot_difference(table, 3) == 0.0
    table[7, 2] = np.inf  # 0 · ∞ is not 0: the check can fail
    with np.errstate(invalid="ignore"):
        assert not embedding.one_hot_difference(table, 3) <= 1


@pytest.mark.parametrize(
    ("symbols", "expected"),
    [
        ("aeiouAÉıöαюё", "vowel"),
        ("byzçñБйθ", "consonant"),
        ("05٣", "digit"),
        ("- '.", "other"),
        ("中あьא", "letter"),
    ],
)
def test_character_classes(symbols: str, expected: str) -> None:
    assert {symbol: embedding.character_class(symbol) for symbol in symbols} == dict.fromkeys(symbols, expected)


def test_the_boundary_is_a_class_of_its_own() -> None:
    assert embedding.character_class(BOUNDARY) == "boundary"


def test_a_set_of_characters_divides_the_vocabulary() -> None:
    assert embedding.membership(["", "a", "b"], "bx") == ["not in the set", "not in the set", "in the set"]
    assert embedding.membership(["é"], "e\u0301") == ["in the set"]


@given(st.integers(0, 99), st.sampled_from(embedding.METRICS), st.integers(1, 5))
def test_a11_vowels_near_vowels_are_counted_and_so_is_chance(seed: int, metric: str, count: int) -> None:
    symbols = ["", *"abcdefghio"]
    vowels = {1, 5, 9, 10}
    table = np.random.default_rng(seed).normal(size=(11, 3))
    found, chance = embedding.vowel_neighbours(table, symbols, count, metric)
    near = 0
    for vowel in vowels:
        others = [other for other in range(11) if other != vowel]
        if metric == "cosine":
            unit = table / np.linalg.norm(table, axis=1, keepdims=True)
            others.sort(key=lambda other: -float(unit[other] @ unit[vowel]))
        else:
            others.sort(key=lambda other: float(((table[other] - table[vowel]) ** 2).sum()))
        near += len(vowels & set(others[:count]))
    assert found == pytest.approx(near / 4)
    assert chance == pytest.approx(count * 3 / 10)


def test_a11_chance_is_what_tables_of_noise_give_in_the_mean() -> None:
    symbols = ["", *"abcdefghio"]
    tables = np.random.default_rng(0).normal(size=(400, 11, 3))
    found, chance = zip(*(embedding.vowel_neighbours(table, symbols) for table in tables), strict=True)
    assert np.mean(found) == pytest.approx(chance[0], abs=0.06)
    assert np.isnan(embedding.vowel_neighbours(tables[0], ["", *"abcdfghjkl"])).all(), "one vowel has no other"


def test_positions_count_what_a_loop_counts() -> None:
    words = ["emma", "ava", "mae", "m"]
    vocab = Vocab.from_words(words)
    table = embedding.positions(words, vocab).set_index("symbol")
    for symbol in vocab.symbols[1:]:
        count = sum(word.count(symbol) for word in words)
        assert table["count"][symbol] == count
        assert table["first_share"][symbol] == sum(word[0] == symbol for word in words) / count
        assert table["last_share"][symbol] == sum(word[-1] == symbol for word in words) / count
    assert table["count"][BOUNDARY] == len(words)
    assert table["share"].sum() == pytest.approx(1)
    assert np.isnan(table["first_share"][BOUNDARY])
