"""`limner eval portraits|reasons|chat`: a study over the users of a split, case by case."""

import asyncio
import hashlib
import tempfile
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from limner.core.errors import BadInputError, BudgetSpentError, LimnerError
from limner.core.messages import Message, message, plain
from limner.core.progress import Progress, Quiet
from limner.core.schema import LedgerRow
from limner.core.settings import Settings
from limner.evals.execution import Execution
from limner.evals.studies.cost import cost_of
from limner.evals.studies.judge import Judge
from limner.evals.studies.lab import Lab, open_lab
from limner.evals.studies.portraits import PortraitStudy
from limner.evals.studies.questions import load_phrasings, questions
from limner.evals.studies.reasons import ReasonStudy
from limner.evals.studies.records import Case, Study, StudyRecord
from limner.evals.studies.stream import CaseStream, load_study, write_record
from limner.evals.studies.summary import NEUTRAL, by_bucket, by_group, by_kind, comparisons, figures
from limner.evals.studies.utility import chosen
from limner.index.embedders import Embedder
from limner.llm import Budget
from limner.llm.session import ModelHandle
from limner.profile import settings_digest

LAB, NAMELESS = "lab", "lab-neutral"


@dataclass(frozen=True)
class StudyPlan:
    """Everything that shapes a study's results; a study can be resumed with an equal plan only."""

    study: Study
    dataset: str
    split: str = "global-time"
    limit: int | None = 100
    """Users asked at most."""
    seed: int = 0
    repeat: int = 1
    """Number of further paintings of each portrait, for its stability."""
    neutral: bool | None = None
    """Whether portraits are also painted with items under neutral names; None for where a model
    paints them.
    """
    judge: bool = False
    """Whether a model judges the reasons."""
    phrasings: str = ""
    """Set of phrasings for the chat's questions: `paraphrases` or a file; empty for the study's
    own.
    """
    variant: str = ""
    """The study's name in an experiment."""


def run_study(
    plan: StudyPlan,
    settings: Settings,
    execution: Execution | None = None,
    *,
    progress: Progress | None = None,
    embedder: Embedder | None = None,
) -> StudyRecord:
    """Ask, measure, and keep each case as it is finished. See `study`."""
    return asyncio.run(
        study(
            plan,
            settings,
            execution or Execution(),
            progress=progress or Quiet(),
            embedder=embedder,
        )
    )


async def study(
    plan: StudyPlan,
    settings: Settings,
    execution: Execution,
    *,
    progress: Progress,
    embedder: Embedder | None = None,
) -> StudyRecord:
    """Ask and measure every case.

    `execution.out` gets `cases.jsonl`, `study.json` and the store that was asked (`lab`). A case
    that raises is an `error`, one that the cost limit came before is `skipped`; neither enters a
    mean, and both are counted. With `execution.resume` finished cases are not asked again, errors
    only with `execution.retry_errors`. Raises as `open_lab` does, and BadInputError where the
    folder's study is another.
    """
    if execution.retry_errors and not execution.resume:
        execution = replace(execution, resume=True)
    if execution.resume and execution.out is None:
        raise BadInputError("evals.nothing_to_resume")
    with tempfile.TemporaryDirectory() as scratch:
        folder = execution.out or Path(scratch)
        budget = execution.budget or Budget(execution.cost_limit or settings.llm.max_cost or None)
        lab = open_lab(
            plan.dataset,
            plan.split,
            settings,
            folder / LAB,
            limit=plan.limit,
            seed=plan.seed,
            progress=progress,
            embedder=embedder,
            trained=execution.shared_lab(LAB),
        )
        try:
            return await _StudyWork(
                plan, settings, execution, folder, lab, budget, progress, embedder
            ).run()
        finally:
            await lab.engine.close()


Ask = Callable[[], Awaitable[Case]]


class _StudyWork:
    def __init__(
        self,
        plan: StudyPlan,
        settings: Settings,
        execution: Execution,
        folder: Path,
        lab: Lab,
        budget: Budget,
        progress: Progress,
        embedder: Embedder | None,
    ) -> None:
        self.plan, self.settings, self.execution, self.folder, self.lab = (
            plan,
            settings,
            execution,
            folder,
            lab,
        )
        self.budget, self.progress, self.embedder = budget, progress, embedder
        lab.engine.models.budget = budget
        self.stream = CaseStream(execution.out)
        self.notes = list(lab.notes)
        self.features = 0
        self.beside: list[LedgerRow] = []
        """Calls under neutral names, which stand in a ledger of their own."""

    async def run(self) -> StudyRecord:
        model = await self.lab.engine.models.ready()
        self.notes += model.notes
        asked = _digest(self.plan, self.lab, model)
        kept = self._kept(asked)
        self.stream.restart(kept)
        todo = await self._asks(model, {one.id for one in kept})
        cases = {one.id: one for one in kept}
        self._write(asked, model, cases.values())
        await self._go(todo, cases)
        for_model = model.chat is not None and model.grade != "none"
        if self.plan.study == "portraits" and (
            for_model if self.plan.neutral is None else self.plan.neutral
        ):
            await self._neutral(cases)
        elif self.plan.study == "portraits" and not for_model:
            self.notes.append(message("study.no_model_words"))
        # As they were finished until now; whoever reads them is to find the order that the record
        # was made in.
        self.stream.restart(self._in_order(cases.values()))
        return self._write(asked, model, cases.values())

    def _in_order(self, cases: Collection[Case]) -> list[Case]:
        order = {one: at for at, one in enumerate(self.lab.users)}
        return sorted(cases, key=lambda one: (order.get(one.user_id, 0), one.id))

    def _kept(self, asked: str) -> list[Case]:
        """Cases that an earlier call finished, where it is resumed; empty where not."""
        out = self.execution.out
        if not self.execution.resume or out is None or not (out / "study.json").exists():
            return []
        if load_study(out).asked != asked:
            raise BadInputError("evals.other_study", folder=out)
        found = self.stream.read()
        return [
            one
            for one in found
            if one.state == "ok" or (one.state == "error" and not self.execution.retry_errors)
        ]

    async def _asks(self, model: ModelHandle, done: set[str]) -> list[tuple[str, str, Ask]]:
        """(id, user, how) of every case that is not done yet."""
        lab, plan = self.lab, self.plan
        users = [one for one in lab.users if one not in done]
        if plan.study != "chat" and users:
            await self._paint(users, lab)
        if plan.study == "portraits":
            portraits = PortraitStudy(lab, model, repeat=plan.repeat, seed=plan.seed)
            return [(one, one, partial(portraits.one, one)) for one in users]
        if plan.study == "reasons":
            judge = self._judge(model)
            reasons = ReasonStudy(lab, model, judge=judge, seed=plan.seed)
            self.features = reasons.features
            return [(one, one, partial(reasons.one, one)) for one in users]
        from limner.evals.studies.chat import ChatStudy  # with the chat comes langchain

        await self._paint(lab.users, lab)
        chat = ChatStudy(lab, model)
        made = questions(
            lab, lab.users, plan.seed, load_phrasings(plan.phrasings) if plan.phrasings else None
        )
        return [(one.id, one.user_id, partial(chat.one, one)) for one in made if one.id not in done]

    def _judge(self, model: ModelHandle) -> Judge | None:
        if not self.plan.judge:
            return None
        if model.chat is None or model.grade == "none":
            self.notes.append(message("study.no_judge"))
            return None
        return Judge(model.chat, self.settings.prompts.get("judge-reason", ""))

    async def _paint(self, users: Sequence[str], lab: Lab) -> None:
        """All portraits first, since one is measured against another user's."""
        report = await lab.engine.build(users, concurrency=max(1, self.execution.jobs))
        self.notes += [*report.notes, *([report.stopped] if report.stopped else [])]

    async def _go(self, todo: Sequence[tuple[str, str, Ask]], cases: dict[str, Case]) -> None:
        turn = asyncio.Semaphore(max(1, self.execution.jobs))
        self.progress.start(f"measuring {self.plan.study}", len(todo))

        async def one(case_id: str, user_id: str, ask: Ask) -> None:
            async with turn:
                case = await self._case(case_id, user_id, ask)
                cases[case_id] = case
                self.stream.write(case)
                self.progress.advance()

        async with asyncio.TaskGroup() as group:
            for case_id, user_id, ask in todo:
                group.create_task(one(case_id, user_id, ask))
        self.progress.done()

    async def _case(self, case_id: str, user_id: str, ask: Ask) -> Case:
        """Measure one case; an error or a spent budget becomes its state."""
        bucket = self.lab.bucket(user_id)
        skipped = Case(
            id=case_id,
            user_id=user_id,
            bucket=bucket,
            state="skipped",
            why=message("study.cost_limit"),
        )
        if self._is_spent():
            return skipped
        began = time.monotonic()
        try:
            case = await ask()
        except BudgetSpentError as error:
            return skipped.model_copy(update={"why": error.message})
        except Exception as error:  # noqa: BLE001 - one user's failure is counted, and the others go on
            why = (
                error.message
                if isinstance(error, LimnerError)
                else plain(f"{type(error).__name__}: {error}")
            )
            return Case(id=case_id, user_id=user_id, bucket=bucket, state="error", why=why)
        if self.budget.is_short:
            # The engine went on in template words, which say nothing of the model.
            return skipped
        return case.model_copy(update={"seconds": round(time.monotonic() - began, 4)})

    def _is_spent(self) -> bool:
        limit = self.budget.limit
        return self.budget.is_short or (limit is not None and self.budget.spent >= limit)

    async def _neutral(self, cases: dict[str, Case]) -> None:
        """Measure the users once more with items called Item 1, Item 2, …: a measure that falls
        rested on what the model knows of the items by their titles.
        """
        lab = open_lab(
            self.plan.dataset,
            self.plan.split,
            self.settings,
            self.folder / NAMELESS,
            limit=self.plan.limit,
            seed=self.plan.seed,
            neutral=True,
            progress=self.progress,
            embedder=self.embedder,
            trained=self.execution.shared_lab(NAMELESS),
        )
        lab.engine.models.budget = self.budget
        try:
            model = await lab.engine.models.ready()
            users = [
                one.id
                for one in cases.values()
                if one.state == "ok" and not any(name.startswith(NEUTRAL) for name in one.values)
            ]
            await self._paint(users, lab)
            measured = PortraitStudy(lab, model, repeat=self.plan.repeat, seed=self.plan.seed)
            self.progress.start("measuring under neutral names", len(users))
            for user_id in users:
                again = await self._case(user_id, user_id, partial(measured.one, user_id))
                if again.state == "ok":
                    values = {f"{NEUTRAL}{name}": one for name, one in again.values.items()}
                    cases[user_id] = cases[user_id].model_copy(
                        update={"values": {**cases[user_id].values, **values}}
                    )
                    self.stream.write(cases[user_id])
                else:
                    self.notes.append(message("study.unmeasured_user", user=user_id, why=again.why))
                self.progress.advance()
            self.progress.done()
        finally:
            self.beside = lab.engine.store.ledger()
            await lab.engine.close()

    def _write(self, asked: str, model: ModelHandle, cases: Collection[Case]) -> StudyRecord:
        ordered = self._in_order(cases)
        done = chosen([one for one in ordered if one.state == "ok"])
        record = StudyRecord(
            study=self.plan.study,
            variant=self.plan.variant,
            dataset=self.lab.dataset,
            split=self.lab.split,
            asked=asked,
            model=model.name,
            grade=model.grade,
            cases=len(ordered),
            states={
                state: sum(one.state == state for one in ordered)
                for state in ("ok", "error", "skipped")
            },
            figures=figures(done, self.plan.seed, self.features),
            buckets=by_bucket(done, self.plan.seed, self.features),
            groups=by_group(done, self.plan.seed, self.features),
            kinds=by_kind(done, self.plan.seed),
            comparisons=comparisons(self.plan.study, done, self.plan.seed),
            cost=cost_of([*self.lab.engine.store.ledger(), *self.beside], ordered),
            seed=self.plan.seed,
            notes=list(dict.fromkeys([*self.notes, *_first_errors(ordered)])),
        )
        if self.execution.out is not None:
            write_record(self.execution.out, record)
        return record


def _first_errors(cases: Sequence[Case]) -> list[Message]:
    wrong = [one for one in cases if one.state == "error"]
    return (
        [message("study.first_error", n=len(wrong), all=len(cases), error=wrong[0].why)]
        if wrong
        else []
    )


def _digest(plan: StudyPlan, lab: Lab, model: ModelHandle) -> str:
    """Hash of the plan and of the settings that shape the results."""
    settings = lab.engine.settings
    asked = (
        f"{plan.study} {lab.dataset} {lab.split.hash} {plan.seed} {plan.repeat} "
        f"{plan.judge} {model.name}"
    )
    asked += f" {load_phrasings(plan.phrasings).model_dump_json()}" if plan.phrasings else ""
    shaping = f"{model.grade} {settings_digest(settings)} {settings.rerank.model_dump_json()}"
    return hashlib.sha256(f"{asked} {shaping}".encode()).hexdigest()[:16]
