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
        reply = await answer(lab.engine, question.text)
        verdict = outcome(question, reply.text)
        able = question.answerable
        fell = self._model.grade == "full" and reply.grade != "full"
        return Case(
            id=question.id,
            user_id=question.user_id,
            bucket=lab.bucket(question.user_id),
            groups={**lab.groups.get(question.user_id, {}), "language": question.language},
            values={
                "exact": float(verdict == "right") if able else None,
                "abstained": None if able else float(verdict == "abstained"),
                "false": float(verdict == "wrong"),
                "silent": float(verdict == "abstained") if able else None,
            },
            asked=ChatCase(
                kind=question.kind,
                question=question.text,
                expected=list(question.expected),
                text=reply.text,
                outcome=verdict,
            ),
            source="failed" if fell else "llm" if reply.grade == "full" else "template",
        )
