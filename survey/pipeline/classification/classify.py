"""The classification of a survey: once for all galaxies, when they are in the catalog.

It commits two parts, each with a key of everything it depends on: the sample, with its labels or
a model, and the classes. If nothing has changed, nothing is computed again.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from catalogs import SCHEMA_VERSION, open_catalog
from catalogs.class_columns import OF_MODEL, OF_SAMPLE
from catalogs.durable import hash_bytes
from catalogs.parts import PartStore, Receipt
from catalogs.publish import publish_again
from catalogs.survey_parts import (
    CLASSES,
    LATENTS,
    SURVEY_WIDE,
    SurveyPart,
    commit_survey_part,
    current_survey_parts,
    find_survey_part,
)
from catalogs.versions import Manifest
from catalogs.vocabulary import packaged_vocabulary
from survey.classes.diagrams import class_diagrams
from survey.classes.results import conclude, conclude_trained, most_probable
from survey.config import ClassSettings, Settings, fingerprint
from survey.engine.cluster import Cluster
from survey.errors import ConfigError, DataError
from survey.pipeline.classification.labels import read_labels
from survey.pipeline.classification.models import read_model, save_model
from survey.pipeline.classification.monte_carlo import (
    MODEL_FILE,
    MonteCarlo,
    model_and_sample,
    trained_sample,
)
from survey.pipeline.classification.sample import (
    Used,
    check_labels,
    label_notes,
    partly_covered,
    parts_of,
    sample_rows,
    used_by,
    write_sample,
)
from survey.pipeline.classification.tables import (
    class_rows,
    diagram_rows,
    importance_rows,
    planes_of,
    score_lines,
    score_rows,
    trained_rows,
)
from survey.pipeline.galaxy.tables import write_table
from survey.pipeline.reference import reference_of_run
from survey.pipeline.run.publisher import working_in
from survey.pipeline.run.survey import write_run_record

(SAMPLE_STAGE,) = CLASSES.made_of
CODE_VERSION = {SAMPLE_STAGE: 4, CLASSES.name: 5}
"""Raised when code changes results, as `code` of a `Stage` is."""

NUMERIC_LIBRARIES = ("numpy", "scipy", "scikit-learn")

Tables = dict[str, Any]
"""Rows of tables by name."""

Result = tuple[Tables, dict[str, Any]]
"""Tables of a classification, and facts for its receipt."""


@dataclass(frozen=True)
class Classified:
    """A published classification.

    `sample` is the part that it was made from, `computed` is whether it was computed now, and
    `notes` are messages for the user.
    """

    classification: SurveyPart
    sample: Receipt
    computed: bool
    notes: tuple[str, ...] = ()

    def counts(self) -> dict[str, int]:
        """How many clusters have each class; the last count, "none", is without a class."""
        names = self.classification.table("classes")["class"].to_pylist()
        counts = {name: names.count(name) for name in self.classification.classes}
        return counts | {"none": names.count(None)}

    def summary(self) -> list[str]:
        """The result in a few lines of text."""
        *classes, without = self.counts().items()
        counts = ", ".join(f"{count} {name}" for name, count in classes)
        n_cluster = sum(self.counts().values())
        state = "computed" if self.computed else "nothing has changed"
        lines = [f"{n_cluster} clusters: {counts}, {without[1]} without class ({state})"]
        lines += score_lines(self.classification.table("scores").to_pylist())
        return [*lines, *(f"note: {note}" for note in self.notes)]


def classify_run(
    root: str | Path,
    settings: Settings,
    cluster: Cluster,
    *,
    model: Path | None = None,
    save_as: Path | None = None,
    on_draws: Callable[[int], None] = lambda n: None,
) -> Classified:
    """Classify a run from its labels, or by a model.

    The settings are recorded in the run only when labels are used.

    Parameters
    ----------
    root : str or Path
        The run directory.
    settings : Settings
    cluster : Cluster
    model : Path, optional
        A trained model to apply; then no labels are needed.
    save_as : Path, optional
        Where to write a model trained from the labels.
    on_draws : callable
        Called with numbers of draws that are done, now or before: `settings.classes.draws` in
        total, and as many again if a model is saved.
    """
    if model is not None and save_as is not None:
        raise ConfigError("--save-model trains a model from labels; it cannot be used with --model")
    if model is not None:
        done = apply_model_file(root, model, settings.classes, cluster, on_draws=on_draws)
    else:
        done = classify(root, settings.classes, cluster, on_draws=on_draws)
    if not done.computed:
        on_draws(settings.classes.draws)  # They were done before.
    if save_as is not None:
        save_model(
            save_as, done.sample.path, done.classification, settings.classes, cluster,
            on_draws=on_draws,
        )  # fmt: skip
    if model is None:
        write_run_record(Path(root), settings)
    return done


def classify(
    root: str | Path,
    settings: ClassSettings,
    cluster: Cluster,
    *,
    on_draws: Callable[[int], None] = lambda n: None,
) -> Classified:
    """Classify the clusters of a run from labels, and publish their classes.

    Parameters
    ----------
    root : str or Path
        The run directory.
    settings : ClassSettings
        `labels` must be set.
    cluster : Cluster
    on_draws : callable
        Called with numbers of draws that are done.

    Raises
    ------
    ConfigError
        If there are no labels, or the directory is in use.
    DataError
        If there are too few labels or measurements to separate classes.
    """
    if settings.labels is None:
        raise ConfigError(
            "the survey has no labels",
            expected="a DS9 region file or a table of labels",
            advice="Give --labels FILE; `survey init` writes a table to start from.",
        )
    reference = reference_of_run(Path(root))
    labels = read_labels(settings.labels, reference)
    used = used_by(settings, reference)
    names = [ratio.name for ratio in used.ratios]
    with _working_in(root) as survey:
        latents = survey.latents() if settings.use_latents else None
        sample = survey.sample(
            [
                labels.content_hash,
                settings.classes,
                settings.min_fraction,
                asdict(used),
                _key(latents),
            ],
            lambda folder: write_sample(
                folder, survey.parts, survey.vocabulary, used, labels, settings, latents
            ),
        )
        rows = sample_rows(sample.path)

        def compute() -> Result:
            labelled = check_labels(rows, settings, survey.catalog, reference)
            draws = MonteCarlo(cluster, sample.path, settings, on_draws)
            if settings.spread:
                outcome = conclude(labelled, draws.sums())
            else:
                trained = trained_sample(sample.path, settings)
                outcome = conclude_trained(
                    trained, settings.method, draws.predictions(), settings.seed
                )
            importances = importance_rows(outcome)
            planes = planes_of(names, importances["predictor"].tolist(), reference)
            diagrams = class_diagrams(labelled.sample, outcome.found.p, outcome.classes, planes)
            tables = {
                "classes": trained_rows(rows, outcome),
                "importances": importances,
                "scores": score_rows(outcome),
                "diagrams": diagram_rows(diagrams, OF_SAMPLE),
            }
            return tables, {"planes": planes, "partly_covered": partly_covered(labels, rows)}

        return survey.publish(
            sample,
            compute,
            classes=settings.classes,
            settings=settings.model_dump(mode="json", exclude={"labels"}),
            facts={
                "labels": labels.path.name,
                "ratios": names,
                "predictors": [each.name for each in used.predictors],
            }
            | ({"latent_model": latents.summary["model"]} if latents else {}),
            notes=label_notes(labels, rows, settings),
        )


def apply_model_file(
    root: str | Path,
    file: str | Path,
    settings: ClassSettings,
    cluster: Cluster,
    *,
    on_draws: Callable[[int], None] = lambda n: None,
) -> Classified:
    """Classify the clusters of a run by a trained model, and publish their classes.

    Only the settings `draws` and `seed` are used.

    Raises
    ------
    ConfigError
        If there is no such file, or the directory is in use.
    DataError
        If it is not a model, or does not fit what was measured.
    """
    data, model = read_model(file)
    names = [ratio.name for ratio in model.ratios]
    with _working_in(root) as survey:
        latents = survey.latents(model.card.latent_model) if model.n_latents else None

        def write(folder: Path) -> None:
            write_sample(
                folder,
                survey.parts,
                survey.vocabulary,
                Used(model.ratios, model.set),
                None,
                settings,
                latents,
            )
            (folder / MODEL_FILE).write_bytes(data)

        sample = survey.sample([hash_bytes(data), _key(latents)], write)

        def compute() -> Result:
            sums = MonteCarlo(cluster, sample.path, settings, on_draws).applied()
            measured, rows = model_and_sample(sample.path)[1], sample_rows(sample.path)
            found, forest = (most_probable(p, measured.informed) for p in (sums.p, sums.p_forest))
            planes = [(diagram.x, diagram.y) for diagram in model.diagrams]
            diagrams = class_diagrams(measured, found.p, model.classes, planes)
            tables = {
                "classes": class_rows(rows, found, forest, model.classes),
                "diagrams": diagram_rows(diagrams, OF_SAMPLE)
                + diagram_rows(model.diagrams, OF_MODEL),
            }
            return tables, {"planes": planes}

        return survey.publish(
            sample,
            compute,
            classes=model.classes,
            settings={"draws": settings.draws, "seed": settings.seed},
            facts={
                "model": Path(file).name,
                "ratios": names,
                "method": model.method,
                "trained_on": list(model.card.galaxies),
            },
        )


class _SurveyWide:
    """The parts of a run that belong to all galaxies together."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = PartStore(root)
        self.catalog = open_catalog(root)
        self.parts = parts_of(self.catalog, self.store)
        self.vocabulary = Manifest.read(self.catalog.path).vocabulary.with_classes(())

    def latents(self, model: str | None = None) -> SurveyPart:
        """The latents in the catalog, for predictors; checked to be of `model` if it is given."""
        found = current_survey_parts(self.root).get(LATENTS.name)
        if found is None:
            raise ConfigError(
                "classes.use_latents is set, but the catalog has no latents",
                file=self.root,
                advice=f"Run `survey latent fit {self.root}`, or set classes.use_latents = false.",
            )
        if model is not None and found.summary["model"] != model:
            raise ConfigError(
                "the latents in the catalog are of another model than those of the training set",
                file=self.root,
                expected=model,
                found=found.summary["model"],
                advice="Publish those of that model: `survey latent publish RUN --model FOLDER`.",
            )
        return found

    def sample(self, given: Sequence[Any], write: Callable[[Path], None]) -> Receipt:
        """The part with all clusters; its key also depends on `given`."""
        if not self.parts:
            raise DataError("there is no galaxy to classify", file=self.root)
        parts = {galaxy: part.key for galaxy, part in self.parts.items()}
        key = fingerprint(parts, given, CODE_VERSION[SAMPLE_STAGE], SCHEMA_VERSION)
        found = self.store.find(SURVEY_WIDE, SAMPLE_STAGE, key, full=True)
        return found or self.store.commit(SURVEY_WIDE, SAMPLE_STAGE, key, write)

    def publish(
        self,
        sample: Receipt,
        compute: Callable[[], Result],
        *,
        classes: tuple[str, ...],
        settings: Mapping[str, Any],
        facts: Mapping[str, Any],
        notes: Sequence[str] = (),
    ) -> Classified:
        """Publish the classes of a sample; compute them if no part has this key."""
        versions = [importlib.metadata.version(name) for name in NUMERIC_LIBRARIES]
        key = fingerprint(sample.key, settings, CODE_VERSION[CLASSES.name], versions)
        classification = find_survey_part(CLASSES, self.root, key)
        computed = classification is None
        if classification is None:
            found, more = compute()
            tables = dict.fromkeys(CLASSES.tables, ()) | found
            classification = commit_survey_part(
                CLASSES,
                self.root,
                key,
                galaxies={galaxy: part.key for galaxy, part in self.parts.items()},
                write=lambda folder: _write_tables(folder, tables, classes),
                summary={
                    **facts,
                    **more,
                    "classes": list(classes),
                    "settings": dict(settings),
                    "sample_key": sample.key,
                },
            )
        publish_again(self.root, classification)
        return Classified(classification, sample, computed, tuple(notes))


def _key(latents: SurveyPart | None) -> str:
    return latents.key if latents else ""


@contextmanager
def _working_in(root: str | Path) -> Iterator[_SurveyWide]:
    root = Path(root).resolve()
    with working_in(root):
        yield _SurveyWide(root)


def _write_tables(folder: Path, tables: Tables, classes: tuple[str, ...]) -> None:
    for name, rows in tables.items():
        write_table(folder, name, rows, packaged_vocabulary().with_classes(classes))
