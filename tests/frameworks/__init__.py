"""Real agent frameworks against a scripted model: what each one's runs look like, over OTLP and as RunEvents."""
