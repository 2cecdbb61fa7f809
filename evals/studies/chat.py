"""The chat: is it exact where the data hold an answer, and does it say so where they do not.

==================== ===============================================================================
measure              of one question
==================== ===============================================================================
exact                1 where the answer is right, of questions that can be answered; an abstention
                     is not right
abstained            1 where it says that it does not know, of questions that cannot be answered
false                1 where it answers with something that is not so: wrong, or an answer to what
                     has none
silent               1 where it abstains, of questions that can be answered
==================== ===============================================================================

Each question is a conversation of its own; `limner.evals.studies.questions` says how they are made,
worded and read.
"""

from limner.chat import answer
from limner.evals.studies.lab import Lab
from limner.evals.studies.questions import StudyQuestion, outcome
from limner.evals.studies.records import Case, ChatCase
from limner.llm.session import ModelHandle


class ChatStudy:
    def __init__(self, lab: Lab, model: ModelHandle) -> None:
        self._lab, self._model = lab, model

    async def one(self, question: StudyQuestion) -> Case:
        lab = self._lab
        said = await answer(lab.engine, question.text)
        found = outcome(question, said.text)
        able = question.answerable
        fell = self._model.grade == "full" and said.grade != "full"
        return Case(
            id=question.id,
            user_id=question.user_id,
            bucket=lab.bucket(question.user_id),
            groups={**lab.groups.get(question.user_id, {}), "language": question.language},
            values={
                "exact": float(found == "right") if able else None,
                "abstained": None if able else float(found == "abstained"),
                "false": float(found == "wrong"),
                "silent": float(found == "abstained") if able else None,
            },
            asked=ChatCase(
                kind=question.kind,
                question=question.text,
                expected=list(question.expected),
                text=said.text,
                outcome=found,
            ),
            source="failed" if fell else "llm" if said.grade == "full" else "template",
        )
