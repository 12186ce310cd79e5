"""`make setup`'s last step: fetches the jars, so that the first start needs no network, and makes the archive for
faster starts of Kafka."""

import logging

from infra.config import Config
from infra.embedded import archive, jars

if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR)
    config = Config.load()
    jars.web_assets(config.home, config.cache, print)
    found = jars.fetch(config.cache, print)
    print(f"{len(found)} jars verified in {config.cache}")
    archive.make(jars.class_path(found), print)
