"""A bot on the Python library: at each sensor's interval it writes a value for each of its packets."""

import os
import sys

from grafoleancollector import Collector, send_results_to_grafolean


class Bot(Collector):
    def jobs(self):
        for entity in self.fetch_job_configs("ping"):
            intervals = list({sensor["interval"] for sensor in entity["sensors"]})
            params = {"url": self.backend_url, "token": self.bot_token, "entity": entity}
            yield str(entity["entity_id"]), intervals, Bot.measure, params

    @staticmethod
    def measure(*_affecting_intervals, url, token, entity):
        packets = int(entity["credential_details"]["n_packets"])
        path = "entity.{}.ping".format(entity["entity_id"])
        values = [{"p": "{}.p{}.ok".format(path, i), "v": 1.0} for i in range(packets)]
        # Numbers as texts are taken too.
        values.append({"p": path + ".success", "v": "0.5"})
        send_results_to_grafolean(url, token, entity["account_id"], values)


if __name__ == "__main__":
    Bot(os.environ["BACKEND_URL"], os.environ["BOT_TOKEN"], int(sys.argv[1])).execute()
