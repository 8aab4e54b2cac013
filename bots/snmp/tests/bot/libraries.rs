//! What the libraries under the bot may say.

use std::process::{Command, Stdio};

use serde_json::json;

use crate::stage::{IF_DESCR, Stage, objects};
use crate::support::agent::Behaviour;

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_device_gives_no_line_of_the_library_that_asks_it() {
    let stage = Stage::new(objects([])).await;
    let hasty = stage.credential(json!({"timeout": 0.1, "retries": 0}));
    let sensors = [stage.sensor(60, &[IF_DESCR], "1", "there.{$1}")];
    stage.behave([127, 7, 0, 1], Behaviour { silent: true, ..Behaviour::default() });
    stage.host("127.7.0.1", hasty, &sensors, |device| device);
    for (filter, heard) in [("info", false), ("info,async_snmp=info", true)] {
        let mut bot = Command::new(env!("CARGO_BIN_EXE_grafolean-snmp-bot"));
        bot.env_clear()
            .env("BACKEND_URL", stage.backend.url())
            .env("BOT_TOKEN", stage.backend.token())
            .env("DATA_DIR", "none")
            .env("LOG", filter)
            .env("SNMP_INTERFACES", "0")
            .arg("once")
            .stdin(Stdio::null());
        let ended = tokio::task::spawn_blocking(move || bot.output()).await.unwrap().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(said.contains("no answer within"), "{said}");
        assert_eq!(said.contains("get_bulk"), heard, "{said}");
    }
}
