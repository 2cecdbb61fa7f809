"""Requests that are refused whoever makes them: to change what the chat is, for secrets, and to
change the data.
"""

import re

_ORDERS = re.compile(
    r"\b(?:ignore|disregard|forget|override|bypass)\b.{0,40}\b(?:instruction|prompt|rule|previous|above|guideline|polic)"
    r"|\b(?:system|hidden|initial|developer)\s+(?:prompt|message|instruction)|\byour\s+(?:\w+\s+)?(?:prompt|instructions)\b"
    r"|\b(?:act|behave)\s+as\s+(?:an?\s+|if\s+you\b)|\bpretend\b|\bjailbreak|"
    r"\bdeveloper mode\b|\byou are now\b"
    r"|(?:忽略|无视|忘记|绕过).{0,20}(?:指令|提示|规则|以上|之前)|系统提示|提示词|扮演|假装",
    re.IGNORECASE,
)
_SECRETS = re.compile(
    r"\b(?:passwords?|passcodes?|pass\s?phrase|api[ _-]?keys?|access[ _-]?tokens?|"
    r"secret[ _-]?keys?|credentials?"
    r"|private keys?|credit cards?|card numbers?|cvv|social security|bank accounts?|"
    r"environment variables?"
    r"|openai_api_key)\b"
    r"|密码|密钥|口令|银行卡|信用卡|身份证",
    re.IGNORECASE,
)
_CHANGES = re.compile(
    r"(?:^|\b(?:please|now|then|and|can you|could you|you should|to)\s+)"
    r"(?:delete|erase|remove|drop|wipe|purge|truncate|update|modify|overwrite|change|edit|insert|rename)\b"
    r"|\b(?:drop\s+table|delete\s+from|rm\s+-rf|insert\s+into|update\s+\w+\s+set|select\s+\*)\b"
    r"|删除|清空|删掉|抹去|修改|篡改|更改",
    re.IGNORECASE,
)


def refusal(question: str) -> str:
    """Why a question is refused: orders, secrets or changes; empty where it is not."""
    for reason, pattern in (("orders", _ORDERS), ("secrets", _SECRETS), ("changes", _CHANGES)):
        if pattern.search(question):
            return reason
    return ""
