"""`make setup`'s last step: fetches the jars, so that the first start needs no network."""

from infra.config import Config
from infra.embedded import jars

if __name__ == "__main__":
    config = Config.load()
    jars.web_assets(config.home, config.cache, print)
    print(f"{len(jars.fetch(config.cache, print))} jars verified in {config.cache}")
