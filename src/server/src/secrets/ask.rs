//! What a handler is given and what it gives back.

use std::time::Duration;

use machine::{RegionName, Token};
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use crate::door::{Call, call_of};
use crate::errors::{Refusal, UNKNOWN};

const POSITION: &str = "strongroom-position";
const MIN_POSITION: &str = "strongroom-min-position";
const AGE_MS: &str = "strongroom-age-ms";
const CONSISTENCY: &str = "strongroom-consistency";
const STALENESS_MS: &str = "strongroom-staleness-ms";
const MAX_STALENESS_MS: &str = "strongroom-max-staleness-ms";
const REGION: &str = "strongroom-region";

/// Which state a read must see.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// The local state will do.
    pub eventual: bool,
    /// The state must hold these positions.
    pub min_position: Option<Token>,
    /// What other regions lead may be this old at most.
    pub max_staleness: Option<Duration>,
    /// The region the request belongs to; none stands for the node's own.
    pub region: Option<RegionName>,
}

/// A request that came through the door.
pub struct Ask<T> {
    /// Who asks, and until when.
    pub call: Call,
    /// Which state it wants to see.
    pub reading: Reading,
    /// What it asks.
    pub message: T,
}

/// A reply with the position of the state it was made from.
pub struct Answer<T> {
    /// The reply.
    pub message: T,
    /// The positions of the feeds.
    pub position: Token,
    /// How old the state may be, when no barrier was asked for.
    pub age: Option<Age>,
    /// How much older than in the regions that lead it; none of what this region leads.
    pub staleness: Option<Age>,
}

/// The most a state can be behind; unknown before the first barrier.
#[derive(Clone, Copy, Debug)]
pub struct Age(pub Option<Duration>);

impl<T> Ask<T> {
    /// Takes the request apart.
    ///
    /// # Errors
    /// When the metadata is not understood, or the request did not come through the door.
    pub fn of(request: Request<T>) -> Result<Self, Status> {
        let call = call_of(&request)?;
        let reading = Reading::of(request.metadata())?;
        Ok(Self {
            call,
            reading,
            message: request.into_inner(),
        })
    }
}

impl<T> Answer<T> {
    /// Turns the outcome of a handler into what tonic sends.
    ///
    /// # Errors
    /// The refusal, as a status.
    pub fn reply(outcome: Result<Self, Refusal>) -> Result<Response<T>, Status> {
        let answer = outcome?;
        let mut response = Response::new(answer.message);
        if let Ok(token) = answer.position.encode().parse() {
            response.metadata_mut().insert(POSITION, token);
        }
        for (name, age) in [(AGE_MS, answer.age), (STALENESS_MS, answer.staleness)] {
            let text = age.map(|Age(age)| age.map(|age| age.as_millis().to_string()));
            let text = text.map(|text| text.as_deref().unwrap_or(UNKNOWN).parse());
            if let Some(Ok(text)) = text {
                response.metadata_mut().insert(name, text);
            }
        }
        Ok(response)
    }
}

impl Reading {
    /// What the metadata of a request says.
    ///
    /// # Errors
    /// When it is not understood.
    pub(super) fn of(metadata: &MetadataMap) -> Result<Self, Refusal> {
        let eventual = match metadata.get(CONSISTENCY).map(|value| value.to_str()) {
            None | Some(Ok("linearizable")) => false,
            Some(Ok("eventual")) => true,
            Some(_) => {
                return Err(Refusal::parameter(
                    "The metadata strongroom-consistency must be linearizable or eventual.",
                ));
            }
        };
        let min_position = match metadata.get(MIN_POSITION) {
            None => None,
            Some(value) => Some(token(value.to_str().unwrap_or_default())?),
        };
        Ok(Self {
            eventual,
            min_position,
            max_staleness: max_staleness(metadata)?,
            region: region(metadata)?,
        })
    }
}

fn max_staleness(metadata: &MetadataMap) -> Result<Option<Duration>, Refusal> {
    let Some(value) = metadata.get(MAX_STALENESS_MS) else {
        return Ok(None);
    };
    let millis = value.to_str().ok().and_then(|text| text.parse().ok());
    let millis: u64 = millis.ok_or_else(|| {
        Refusal::parameter(
            "The metadata strongroom-max-staleness-ms must be a number of milliseconds.",
        )
    })?;
    Ok(Some(Duration::from_millis(millis)))
}

fn region(metadata: &MetadataMap) -> Result<Option<RegionName>, Refusal> {
    let Some(value) = metadata.get(REGION) else {
        return Ok(None);
    };
    let region = value.to_str().ok().and_then(|text| text.parse().ok());
    let region = region.ok_or_else(|| {
        Refusal::parameter("The metadata strongroom-region must be the name of a region.")
    })?;
    Ok(Some(region))
}

fn token(text: &str) -> Result<Token, Refusal> {
    Token::decode(text).map_err(|_| {
        Refusal::parameter(
            "The metadata strongroom-min-position must be a strongroom-position of an earlier \
             reply.",
        )
    })
}
