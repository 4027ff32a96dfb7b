"""A DSPy ReAct program."""

import dspy
from story import OPENAI, QUESTION, get_weather, tell


def ask(model: str) -> str:
    language_model = dspy.LM(f"openai/{model}", api_base=OPENAI, api_key="none", cache=False, num_retries=0)
    with dspy.context(lm=language_model):
        return dspy.ReAct("question -> answer", tools=[get_weather], max_iters=3)(question=QUESTION).answer


tell(ask)
