//! TagResource and UntagResource.

use machine::{Command, TagResource, UntagResource};
use wire::secrets::v1::{
    TagResourceRequest, TagResourceResponse, UntagResourceRequest, UntagResourceResponse,
};

use super::ask::{Answer, Ask};
use super::permit::{Granted, Write};
use super::{About, Secrets, parse};
use crate::authz::Asked;
use crate::errors::Refusal;
use crate::limits::{TAG_KEY_CHARS_MAX, TAGS_MAX};

impl Secrets {
    pub(super) async fn tag(
        &self,
        ask: Ask<TagResourceRequest>,
    ) -> Result<Answer<TagResourceResponse>, Refusal> {
        let Ask {
            call,
            reading,
            message,
        } = ask;
        let id = parse::secret_id(&message.secret_id)?;
        if message.tags.is_empty() {
            return Err(Refusal::parameter("You must provide at least one tag."));
        }
        let tags = parse::tags(message.tags)?;
        let view = self.view(&call, &reading, About::Change).await?;
        let asked = Asked::of("secretsmanager:TagResource").with_tags(&tags);
        let Granted { secret, grant } = view.find_live_led(asked, &id)?;
        let uid = secret.uid;
        let region = view.into_region();
        let command = Command::TagResource(TagResource {
            uid,
            tags,
            seen: grant.seen(),
        });
        let write = Write {
            region,
            grant,
            command,
        };
        let changed = self.change(&call, &reading, write).await?;
        Ok(changed.answer(TagResourceResponse {}))
    }

    pub(super) async fn untag(
        &self,
        ask: Ask<UntagResourceRequest>,
    ) -> Result<Answer<UntagResourceResponse>, Refusal> {
        let Ask {
            call,
            reading,
            message,
        } = ask;
        let id = parse::secret_id(&message.secret_id)?;
        let keys = message.tag_keys;
        if keys.is_empty() {
            return Err(Refusal::parameter("You must provide at least one tag key."));
        }
        if keys.len() > TAGS_MAX {
            let constraint = format!("have length less than or equal to {TAGS_MAX}");
            return Err(Refusal::constraint("tagKeys", &constraint));
        }
        for key in &keys {
            parse::at_most("tagKeys", key, TAG_KEY_CHARS_MAX)?;
        }
        let view = self.view(&call, &reading, About::Change).await?;
        let asked = Asked::of("secretsmanager:UntagResource").with_tag_keys(keys.iter().cloned());
        let Granted { secret, grant } = view.find_live_led(asked, &id)?;
        let uid = secret.uid;
        let region = view.into_region();
        let command = Command::UntagResource(UntagResource {
            uid,
            keys,
            seen: grant.seen(),
        });
        let write = Write {
            region,
            grant,
            command,
        };
        let changed = self.change(&call, &reading, write).await?;
        Ok(changed.answer(UntagResourceResponse {}))
    }
}
