"""Parts of sifted seeds: each against a slow plain version, or by hand."""

import numpy as np
import pytest
import torch

from asd.seed_params import SiftParams
from asd.seeds.sift import agreement, choosing, patches, views
from asd.seeds.sift.agreement import Fit
from asd.types import DataView, SampleIndex


def pictures(count, channels=3, seed=0):
    drawn = np.random.default_rng(seed).random((count, channels, 32, 32))
    return torch.from_numpy(drawn.astype(np.float32))


@pytest.fixture(scope="module")
def dictionary():
    return patches.draw_dictionary(pictures(40), 16, np.random.default_rng(1))


# -- features -----------------------------------------------------------------------------------


def test_whitened_patches_are_white_and_those_to_compare_with_have_length_1(dictionary):
    columns = torch.nn.functional.unfold(pictures(60, seed=2), 6, stride=2).transpose(1, 2).reshape(-1, 108)
    white = (patches.normalised(columns) - dictionary.mean_P) @ dictionary.whiten_PP
    # noise: every direction but the mean has variance about 1, and 1 / (1 + 0.1) is left of it
    values = torch.linalg.eigvalsh(torch.cov(white.T))
    assert values[0].item() == pytest.approx(0, abs=1e-3)
    assert values[1:].mean().item() == pytest.approx(1 / 1.1, abs=0.03)
    torch.testing.assert_close(dictionary.patches_MP.norm(dim=1), torch.ones(16))


def test_quarters_hold_the_root_of_the_mean_triangle_activation(dictionary):
    picture = pictures(1, seed=3)
    found = patches.encode(picture, dictionary)[0]
    mean, whiten, drawn = (
        one.double().numpy() for one in (dictionary.mean_P, dictionary.whiten_PP, dictionary.patches_MP)
    )
    active = np.zeros((14, 14, 16))
    for row in range(14):
        for column in range(14):
            patch = picture[0, :, 2 * row : 2 * row + 6, 2 * column : 2 * column + 6].double().numpy().ravel()
            patch = (patch - patch.mean()) / np.sqrt(patch.var(ddof=1) + 10 / 255**2)
            away = np.array([np.linalg.norm((patch - mean) @ whiten - one) for one in drawn])
            active[row, column] = np.maximum(0, away.mean() - away)
    wanted = [active[r : r + 7, c : c + 7].mean((0, 1)) for r in (0, 7) for c in (0, 7)]
    np.testing.assert_allclose(found.numpy(), np.sqrt(wanted), atol=2e-4)


def test_a_flat_picture_has_the_same_features_in_every_quarter(dictionary):
    found = patches.encode(torch.full((1, 3, 32, 32), 0.3), dictionary)[0]
    torch.testing.assert_close(found, found[:1].expand(4, -1))


# -- renderings ---------------------------------------------------------------------------------


def test_a_checkerboard_is_gone_from_the_blurred_picture_and_whole_in_the_detail():
    rows, columns = np.indices((32, 32))
    board = torch.from_numpy(((rows + columns) % 2 * 2.0 - 1).astype(np.float32)).expand(1, 3, 32, 32)
    grey = 0.5 + 0.1 * board
    torch.testing.assert_close(views.blurred(grey), torch.full_like(grey, 0.5))
    torch.testing.assert_close(views.detail(grey), 0.1 * board[:, :1])


def test_detail_does_not_see_a_tint():
    picture = pictures(1)
    tint = torch.tensor([0.2, -0.1, 0.05]).reshape(1, 3, 1, 1)
    torch.testing.assert_close(views.detail(picture + tint), views.detail(picture), atol=1e-5, rtol=0)


def test_pictures_of_the_wanted_size_stay_and_others_are_brought_to_it():
    same = np.random.default_rng(0).integers(0, 256, (3, 1, 32, 32), dtype=np.uint8)
    assert views.small(same, np.array([2, 0]), torch.device("cpu")).numpy().tolist() == same[[2, 0]].tolist()
    halves = np.zeros((1, 3, 64, 128), np.uint8)
    halves[:, :, 32:] = 200
    found = views.small(halves, np.array([0]), torch.device("cpu"))
    assert found.shape == (1, 3, 32, 32)
    assert (found[0, :, :15].unique().tolist(), found[0, :, 17:].unique().tolist()) == ([0], [200])


# -- classifiers --------------------------------------------------------------------------------


def slow_margins(x, fit):
    """Weighted ridge of one view by its normal equations with a constant, one fold at a time."""
    x = (x - x.mean(0)) / x.std(0, ddof=1)
    labels, folds, use = (one.numpy() for one in (fit.labels_N, fit.folds_N, fit.use_N))
    sizes = np.bincount(labels[use], minlength=fit.class_count)
    weight = use.sum() / fit.class_count / sizes[labels]
    target = np.where(labels[:, None] == np.arange(fit.class_count), 1.0, -1.0)
    found = np.zeros(len(x))
    for fold in np.unique(folds):
        rows = np.flatnonzero(use & (folds != fold))
        total = weight[rows].sum()
        ones = np.hstack([x[rows], np.ones((len(rows), 1))])
        penalty = np.diag([fit.strength * total] * x.shape[1] + [0.0])
        weighted = ones * weight[rows, None]
        solved = np.linalg.solve(ones.T @ weighted + penalty, weighted.T @ target[rows])
        for row in np.flatnonzero(folds == fold):
            scores = np.append(x[row], 1) @ solved
            found[row] = scores[labels[row]] - np.delete(scores, labels[row]).max()
    return found


def test_margins_are_those_of_plain_ridge_fits_on_the_other_folds():
    generator = np.random.default_rng(0)
    features = torch.from_numpy(generator.random((90, 4, 3)).astype(np.float32))
    labels = torch.from_numpy(np.repeat([0, 1, 2], [50, 25, 15]))
    folds = torch.arange(90) % 3
    use = torch.from_numpy(generator.random(90) < 0.8)
    fit = Fit(labels, folds, use, 3, 0.05)
    found = agreement.margins(features, views.REGIONS, fit).numpy()
    assert found.shape == (90, 9)
    for number, held in enumerate(views.REGIONS.values()):
        x = features[:, list(held)].reshape(90, -1).double().numpy()
        np.testing.assert_allclose(found[:, number], slow_margins(x, fit), atol=1e-8)


# -- the rule -----------------------------------------------------------------------------------


def test_usual_is_the_lower_median_of_the_classes_quantiles():
    labels = np.repeat([0, 1, 2, 3], 3)
    margins = np.array([0, 1, 2, 0, 10, 20, 5, 6, 7, 0, 0, 0.0])[:, None]
    # medians 1, 10, 6 and 0: sorted 0 1 6 10, of which the lower of the middle two
    assert choosing.usual(margins, labels, 0.5).tolist() == [1]


def test_at_most_two_thirds_of_a_class_are_too_sure_and_the_surest_are():
    labels = np.array([0, 0, 0, 0, 0, 0, 1, 1, 1])
    above = np.array([5, 1, 2, 4, 3, 6, -1, 2, -3.0])
    dropped = choosing.too_sure(above, labels)
    assert dropped.tolist() == [True, False, False, True, True, True, False, True, False]


def test_the_better_half_is_taken_class_by_class_among_those_that_are_left():
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 2])
    support = np.array([1, 2, 3, 9, -5, -4, -3, 0.0])
    dropped = np.array([False, False, False, True, False, False, False, True])
    better = choosing.better_half(support, labels, dropped)
    assert better.tolist() == [False, True, True, False, False, True, True, False]


def drawn(passing, trial=0):
    """Seeds of one class of 14, of which the first `passing` pass; number 0 and number 1 look alike."""
    count = 14
    keys = tuple(f"k{number:02d}" for number in range(count))
    labels = np.zeros(count, np.int64)
    view = DataView(
        SampleIndex(keys, labels, keys, keys), np.zeros((count, 1, 1, 1), np.uint8), ("a", "b"), False
    )
    grey = np.maximum(np.arange(count), 1) * 10
    found = choosing.Signals(
        rows=np.arange(count),
        labels=labels,
        first=np.zeros((count, 2)),
        above=np.arange(count) - 20.0,
        dropped=np.zeros(count, np.bool_),
        last=np.where(np.arange(count)[:, None] < passing, 1.0, -1.0 - np.arange(count)[:, None] * [0, 1]),
        thumbnails=np.repeat(grey[:, None], 4, 1).astype(np.float32),
    )
    params = SiftParams(per_class=10, pool=10, agree=1)
    sifted = choosing.choose(view, found, params, 7, trial)
    assert sifted.seeds.keys == tuple(keys[place] for place in sifted.at)
    return sifted


def test_seeds_are_drawn_from_the_least_sure_that_pass_and_likenesses_come_last():
    sifted = drawn(passing=12)
    places = sifted.at.tolist()
    # 0 to 9 are the pool; one of 0 and 1 is left out, and the next by rank comes for it
    assert set(places) - {0, 1} == set(range(2, 11))
    assert (len(set(places)), places[-1], sifted.short, sifted.seeds.limited) == (10, 10, {}, (0,))
    assert places != drawn(passing=12, trial=1).at.tolist()


def test_where_too_few_pass_likenesses_are_taken_and_then_the_rest_by_rank():
    sifted = drawn(passing=8)
    places = sifted.at.tolist()
    assert (set(places[:8]), places[7] in (0, 1)) == (set(range(8)), True)
    assert (places[8:], sifted.short) == ([8, 9], {0: 2})  # support falls with the number
