import json

import numpy as np
import pytest

from nta.errors import SettingsError, UsageError
from nta.simulation import Lognormal, Mixture, OneSize, Table, mixture_of_modes, population_from_dict


def test_lognormal_has_the_stated_mode_and_cv():
    # N = 200000, seed 1; the density's maximum is found on its own formula
    population = Lognormal(107.0, 0.275)
    drawn = population.sample(np.random.default_rng(1), 200_000)
    grid = np.linspace(60, 180, 12_001)
    density = np.exp(-((np.log(grid) - population.log_mean) ** 2) / (2 * population.log_sd**2)) / grid
    assert grid[density.argmax()] == pytest.approx(107.0, abs=0.01)
    log_d = np.log(drawn)
    assert abs(log_d.mean() - population.log_mean) / (population.log_sd / np.sqrt(drawn.size)) < 4
    assert abs(log_d.var() / population.log_sd**2 - 1) / np.sqrt(2 / drawn.size) < 4
    assert np.sqrt(np.expm1(population.log_sd**2)) == pytest.approx(0.275, rel=1e-12)
    assert drawn.min() > population.smallest_nm


def test_mixture_has_the_stated_shares():
    # N = 10000, seed 2, share 0.3: binomial
    population = mixture_of_modes([80.0, 150.0], shares=[0.3, 0.7])
    drawn = population.sample(np.random.default_rng(2), 10_000)
    assert set(drawn) == {80.0, 150.0}
    assert abs((drawn == 80.0).sum() - 3000) / np.sqrt(10_000 * 0.3 * 0.7) < 4
    assert population.smallest_nm == 80.0


def test_modes_become_one_size_or_lognormal():
    assert mixture_of_modes([100.0]) == OneSize(100.0)
    assert mixture_of_modes([100.0], [0.1]) == Lognormal(100.0, 0.1)
    assert mixture_of_modes([100.0, 200.0], [0.1]) == Mixture(
        (Lognormal(100.0, 0.1), Lognormal(200.0, 0.1)), (1.0, 1.0)
    )


@pytest.mark.parametrize("column", ["weight", "density_per_nm"])
def test_csv_is_drawn_in_proportion_to_its_weights(tmp_path, column):
    # N = 10000, seed 3
    path = tmp_path / "population.csv"
    path.write_text(f"diameter_nm,{column},note\n50,0,x\n100,1,y\n120,3,z\n", encoding="utf-8")
    population = Table.from_csv(path)
    drawn = population.sample(np.random.default_rng(3), 10_000)
    assert set(drawn) == {100.0, 120.0}
    assert abs((drawn == 100.0).sum() - 2500) / np.sqrt(10_000 * 0.25 * 0.75) < 4
    assert population.smallest_nm == 100.0


@pytest.mark.parametrize(
    "population",
    [
        OneSize(100.0),
        Lognormal(107.0, 0.275),
        Table((90.0, 110.0), (1.0, 2.0)),
        Mixture((OneSize(60.0), Lognormal(150.0, 0.1)), (2.0, 1.0)),
    ],
)
def test_population_survives_json(population):
    assert population_from_dict(json.loads(json.dumps(population.to_dict()))) == population


@pytest.mark.parametrize(
    "make",
    [
        lambda: OneSize(0.0),
        lambda: OneSize(float("nan")),
        lambda: Lognormal(107.0, 27.5),
        lambda: Lognormal(107.0, 0.0),
        lambda: Table((), ()),
        lambda: Table((100.0,), (1.0, 2.0)),
        lambda: Table((100.0, 200.0), (0.0, 0.0)),
        lambda: Table((100.0, 200.0), (1.0, -1.0)),
        lambda: Mixture((OneSize(100.0),), (0.0,)),
        lambda: Mixture((), ()),
        lambda: mixture_of_modes([]),
        lambda: mixture_of_modes([100.0, 200.0, 300.0], [0.1, 0.2]),
        lambda: mixture_of_modes([100.0, 200.0], [], [1.0]),
        lambda: population_from_dict({"kind": "uniform"}),
    ],
)
def test_impossible_populations_are_refused(make):
    with pytest.raises(SettingsError):
        make()


@pytest.mark.parametrize("text", ["", "size,weight\n1,2\n", "diameter_nm\n100\n", "diameter_nm,weight\n100,many\n"])
def test_unreadable_csv_is_wrong_use(tmp_path, text):
    path = tmp_path / "population.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"population\.csv"):
        Table.from_csv(path)
    with pytest.raises(UsageError, match="absent"):
        Table.from_csv(tmp_path / "absent.csv")
