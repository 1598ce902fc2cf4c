"""Command `evaluate segmentation`: a network against masks drawn by people, or against simulated truth."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from calibration.errors import GuidanceError, InputError

if TYPE_CHECKING:
    from engines.evaluation.segmentation.labelled_pictures import LabelledPicture
    from engines.evaluation.segmentation.mask_agreement import Spread
    from engines.evaluation.segmentation.sheets import Entry
    from engines.segmentation.segmenter import Segmenter

_SCHEMA = "guidance-app/evaluate-segmentation/1"
_KINDS = ("evt", "tavi", "coronary")


def add_to(evaluate: typer.Typer) -> None:
    evaluate.command("segmentation")(segmentation)


def segmentation(
    images: Path | None = typer.Option(None, "--images", help="Folder of pictures."),
    masks: Path | None = typer.Option(
        None, "--masks", help="Folder of reference masks; same names, vessel above half grey."
    ),
    cases: list[Path] = typer.Option([], "--cases", help="Simulated case folder; may be repeated."),
    more: list[Path] = typer.Argument(None, help="More case folders."),
    phantom: Path | None = typer.Option(
        None, "--phantom", help="Folder of the coronary phantom: its projected surface is the reference."
    ),
    foreign: Path | None = typer.Option(
        None, "--foreign", help="Folder of another generator's runs: their projected lumens are the reference."
    ),
    model: str = typer.Option("", "--model", help="Network; default: coronary, or what suits each case."),
    models: Path | None = typer.Option(None, "--models", help="Folder of other weights, as `train` leaves it."),
    backend: str = typer.Option("auto", help="Runtime of the network."),
    careful: bool = typer.Option(False, "--careful", help="As `segment --careful`: several looks at each frame."),
    peers: bool = typer.Option(True, "--peers/--no-peers", help="Score tuned Frangi and Sato filters too."),
    synthetic: int = typer.Option(40, min=0, help="Synthetic pictures that the filters are tuned on; 0: none."),
    folds: int = typer.Option(2, min=0, help="Folds of --images that the filters are tuned in; 0: none."),
    every: int = typer.Option(3, min=1, help="Of a simulated run, take every so many frames."),
    pictures: Path | None = typer.Option(None, "--pictures", help="Write sheets of best, median and worst here."),
    json_file: Path | None = typer.Option(None, "--json", help="Write figures a picture and in total here."),
) -> None:
    """Dice, precision, recall and clDice of a network: on pictures with masks, or on simulated cases, every class."""
    folders = [*cases, *(more or [])]
    given = [bool(folders), images is not None or masks is not None, phantom is not None, foreign is not None]
    if sum(given) != 1 or (images is None) != (masks is None):
        raise InputError(
            "evaluate segmentation: give one of --images DIR with --masks DIR, --cases CASE, --phantom DIR, or "
            "--foreign DIR"
        )
    if json_file is not None:
        from calibration.store import check_place_for

        check_place_for(json_file)
    synthetic = synthetic if peers else 0
    if folders:
        content = _simulated(folders, model, backend, models, careful, every, synthetic, pictures)
    elif foreign is not None:
        content = _foreign(foreign, model, backend, models, careful, every)
    else:
        labelled, failures = _pictures_of(images, masks, phantom, backend)
        # On the phantom no filter is tuned in folds: all of its views show the one tree.
        folds = folds if peers and phantom is None else 0
        segmenter = _segmenter(model or "coronary", backend, models, careful)
        content = _labelled(labelled, segmenter, synthetic, folds, pictures)
        content |= {"data": str(phantom or images), "failures": failures}
        for failure in failures:
            print(f"not evaluated: {failure}")
    if json_file is not None:
        from calibration.store import write_json
        from engines.inference.machine import this_machine

        write_json(json_file, {"schema": _SCHEMA, "machine": this_machine().model_dump(), **content})


def _segmenter(model: str, backend: str, models: Path | None, careful: bool) -> Segmenter:
    from engines.inference.model_files import BUNDLED_MODELS
    from engines.segmentation.segmenter import load_segmenter

    return load_segmenter(model, backend=backend, folder=models or BUNDLED_MODELS, careful=careful)


def _pictures_of(
    images: Path | None, masks: Path | None, phantom: Path | None, backend: str
) -> tuple[list[LabelledPicture], list[str]]:
    """Pictures with their masks, and one line for each that is unusable."""
    if phantom is not None:
        from engines.evaluation.segmentation.phantom_pictures import phantom_pictures

        return phantom_pictures(phantom, backend=backend), []
    from engines.evaluation.segmentation.labelled_pictures import read_labelled

    assert images is not None
    assert masks is not None
    return read_labelled(images, masks)


def _labelled(
    labelled: list[LabelledPicture], segmenter: Segmenter, synthetic: int, folds: int, pictures: Path | None
) -> dict[str, Any]:
    from engines.evaluation.segmentation.labelled import (
        SYNTHETIC_TUNING_SEED,
        check_enough,
        network_results,
        peer_results,
        result_as_json,
    )
    from engines.evaluation.segmentation.sheets import Entry
    from engines.segmentation.scenes import is_bundled, scene_of_model

    check_enough(labelled, folds)
    ours, *others = network_results(segmenter, labelled, _say)
    scene = scene_of_model(segmenter.name) if is_bundled(segmenter.name) else None
    others += peer_results(labelled, scene=scene, synthetic=synthetic, folds=folds, progress=_say)
    print(f"{segmenter.name} ({segmenter.backend}, threshold {segmenter.threshold}{', careful' * segmenter.careful})")
    _print_total(ours.total)
    for peer in others:
        print(f"{peer.name}{f', tuned on {peer.tuned_on}' if peer.tuned_on else ''}")
        _print_total(peer.total)
    if pictures is not None:
        entries = {
            p.name: Entry(
                name=p.name, dice=ours.scores[p.name].dice, picture=p.frame.pixels.astype(float),
                found=ours.masks[p.name], reference=p.mask,
            )
            for p in labelled
        }  # fmt: skip
        _write_sheets(pictures, segmenter.name, entries)
    own = result_as_json(ours)
    return {
        "seed": SYNTHETIC_TUNING_SEED, "model": segmenter.name, "backend": segmenter.backend,
        "threshold": segmenter.threshold, "careful": segmenter.careful, "total": own["total"], "cases": own["cases"],
        "peers": [result_as_json(peer) for peer in others],
    }  # fmt: skip


def _simulated(
    folders: list[Path],
    model: str,
    backend: str,
    models: Path | None,
    careful: bool,
    every: int,
    synthetic: int,
    pictures: Path | None,
) -> dict[str, Any]:
    from engines.anatomy.cases.case import load_case
    from engines.evaluation.segmentation.confusion import figures_line, frame_as_json, report_lines, total_as_json
    from engines.evaluation.segmentation.simulated import FrameScores, SyntheticPeers, score_case
    from engines.segmentation.scenes import model_for_kind

    segmenters: dict[str, Segmenter] = {}
    peers: dict[str, SyntheticPeers] = {}
    scores: dict[str, list[FrameScores]] = {}
    entries: dict[str, dict[str, Entry]] = {}
    by_case, failures = [], []
    for folder in folders:
        try:
            case = load_case(folder)
            name = model or model_for_kind(case.kind, case.field_of_view)
            if name not in segmenters:
                segmenters[name] = _segmenter(name, backend, models, careful)
                peers[name] = SyntheticPeers(segmenters[name].name, synthetic)
            shown = entries.setdefault(name, {})

            def look(truth, found, score, folder=folder, shown=shown, peer=peers[name]) -> None:
                peer.look(truth)
                if pictures is not None and score.filled:
                    label = f"{folder.name} {Path(truth.run).stem} {truth.index}"
                    shown[label] = _small_entry(label, truth, found, score)

            found = score_case(folder, segmenters[name], every=every, look=look)
        except GuidanceError as error:
            failures.append(str(error))
            _say(f"{folder}: failed")
            continue
        scores.setdefault(name, []).extend(found)
        by_case.append(
            {
                "case": str(folder), "model": name, "total": total_as_json(found, segmenters[name].classes),
                "frames": [frame_as_json(score) for score in found],
            }
        )  # fmt: skip
        _say(str(folder))
    totals = {name: total_as_json(found, segmenters[name].classes) for name, found in scores.items()}
    for name, total in totals.items():
        print("\n".join([f"{name} ({segmenters[name].backend}, threshold {segmenters[name].threshold})",
                         *(f"  {line}" for line in report_lines(total))]))  # fmt: skip
        for peer in peers[name].as_json():
            print(f"  {peer['name']}, tuned on {peer['tuned_on']}: all vessels: {figures_line(peer['total'])}")
        if pictures is not None:
            _write_sheets(pictures, name, entries[name])
    for failure in failures:
        print(f"not evaluated: {failure}")
    if not by_case:
        raise InputError(f"evaluate segmentation: not one case could be used; first: {failures[0]}")
    return {
        "seed": None, "data": [str(folder) for folder in folders], "every": every,
        "careful": careful,
        "model": {name: {"backend": s.backend, "threshold": s.threshold} for name, s in segmenters.items()},
        "total": totals, "cases": by_case,
        "peers": [{"model": name, **peer} for name, one in peers.items() for peer in one.as_json()],
        "failures": failures,
    }  # fmt: skip


def _foreign(folder: Path, model: str, backend: str, models: Path | None, careful: bool, every: int) -> dict[str, Any]:
    from engines.evaluation.registration.foreign import foreign_runs, kind_of_patient
    from engines.evaluation.segmentation.foreign_pictures import LOOKS, evaluate_foreign
    from engines.inference.model_files import BUNDLED_MODELS
    from engines.segmentation.run_memory import load_network_pair
    from engines.segmentation.scenes import model_for_kind

    runs = foreign_runs(folder)
    names = {run.patient: model or model_for_kind(kind_of_patient(run.patient), "upper") for run in runs}
    weights = models or BUNDLED_MODELS
    pairs = {
        name: load_network_pair(name, backend, 1, weights, careful=careful) for name in sorted(set(names.values()))
    }
    loaded = {name: pair.single for name, pair in pairs.items()}
    networks = {patient: pairs[name] for patient, name in names.items()}
    found = evaluate_foreign(folder, runs, networks, every=every, progress=_say)
    for name, of_model in found["total"].items():
        print(f"{name} ({loaded[name].backend}, threshold {loaded[name].threshold}): {of_model['full_frames']} frames")
        for class_name, looks in of_model["classes"].items():
            for look in LOOKS:
                cells = ", ".join(
                    f"{figure} {spread['median']:.3f} ({spread['median_low']:.3f}-{spread['median_high']:.3f})"
                    for figure, spread in looks[look].items()
                    if spread["count"]
                )
                print(f"  {class_name}, {look}: median {cells}")
        of_before = ", ".join(f"{of_model['not_empty'][look]} with a {look}" for look in LOOKS[:1])
        print(
            f"  of {of_model['frames_before_contrast']} frames before contrast not empty: {of_before}, "
            f"{of_model['not_empty'][LOOKS[1]]} {LOOKS[1]}"
        )
    return {
        "seed": None, "data": str(folder), "every": every, "careful": careful,
        "model": {name: {"backend": s.backend, "threshold": s.threshold} for name, s in loaded.items()}, **found,
    }  # fmt: skip


def _small_entry(label: str, truth, found, score) -> Entry:
    """At the size of a tile: a cohort's frames in full would not fit into memory."""
    import cv2
    import numpy as np

    from engines.evaluation.segmentation.sheets import TILE_PX, Entry
    from engines.evaluation.segmentation.simulated import lumen_mask

    def small(mask) -> np.ndarray:
        return cv2.resize(mask.astype(np.uint8), (TILE_PX, TILE_PX), interpolation=cv2.INTER_NEAREST) > 0

    picture = cv2.resize(truth.frame.pixels.astype(np.float32), (TILE_PX, TILE_PX), interpolation=cv2.INTER_AREA)
    reference = small(lumen_mask(truth.labels))
    return Entry(name=label, dice=score.vessels.dice, picture=picture, found=small(found), reference=reference)


def _write_sheets(folder: Path, title: str, entries: dict[str, Entry]) -> None:
    import cv2

    from calibration.store import write_bytes
    from engines.evaluation.segmentation.sheets import choose, sheet

    for group, names in choose({name: entry.dice for name, entry in entries.items()}).items():
        if not names:
            continue
        page = sheet(f"{title}: {group} {len(names)} of {len(entries)}", [entries[name] for name in names])
        write_bytes(folder / f"{title}_{group}.png", cv2.imencode(".png", page)[1].tobytes())
    print(f"sheets of best, median and worst in {folder}")


def _print_total(total: dict[str, Spread]) -> None:
    for figure, spread in total.items():
        quartiles = f"{spread.lower_quartile:.3f}-{spread.upper_quartile:.3f}"
        interval = f"95 % interval {spread.median_low:.3f}-{spread.median_high:.3f}"
        print(f"  {figure}: median {spread.median:.3f} ({interval}, quartiles {quartiles}, {spread.count} pictures)")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
