"""The Google GenAI client, in an agent's loop of our own."""

from google import genai
from google.genai import types
from story import QUESTION, agent, call_tool, tell

CITY = types.Schema(type="OBJECT", properties={"city": types.Schema(type="STRING")}, required=["city"])
TOOL = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(name="get_weather", description="Tells the weather of a city.", parameters=CITY)
    ]
)


def ask(model: str) -> str:
    with agent(), genai.Client() as client:
        contents = [types.Content(role="user", parts=[types.Part(text=QUESTION)])]
        while True:
            config = types.GenerateContentConfig(tools=[TOOL])
            reply = client.models.generate_content(model=model, contents=contents, config=config)
            if not reply.function_calls:
                return reply.text
            contents.append(reply.candidates[0].content)
            parts = [
                types.Part.from_function_response(
                    name=call.name, response={"result": call_tool(call.name, dict(call.args))}
                )
                for call in reply.function_calls
            ]
            contents.append(types.Content(role="user", parts=parts))


tell(ask, "google")
