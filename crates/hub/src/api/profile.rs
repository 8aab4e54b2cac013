//! Who one is oneself.

use serde_json::json;

use super::{bots, cx::Cx};
use crate::{
    auth::{Kind, Via},
    http::{Answer, Refusal},
    store::users,
};

pub(crate) async fn get(cx: &Cx) -> Result<Answer, Refusal> {
    let caller = cx.caller()?;
    let id = caller.user.id;
    match caller.user.kind {
        Kind::Bot { .. } => {
            let bot = cx.hub.store.read(move |c| users::any_bot(c, id)).await?;
            let record = bots::record(&cx.hub, &bot.ok_or_else(Refusal::access_denied)?, true);
            Ok(Answer::ok(&json!({"user_id": id, "user_type": "bot", "record": record})))
        }
        Kind::Person => {
            let record = cx.hub.store.read(move |c| users::person_of(c, id)).await?;
            let record = record.ok_or_else(Refusal::access_denied)?;
            let mut profile = json!({"user_id": id, "user_type": "person", "record": record});
            if let Via::Cookie { csrf, .. } = &caller.via {
                profile["csrf"] = csrf.as_str().into();
            }
            Ok(Answer::ok(&profile))
        }
    }
}

pub(crate) async fn permissions(cx: &Cx) -> Result<Answer, Refusal> {
    Ok(Answer::ok(&json!({"list": cx.user()?.permissions})))
}
