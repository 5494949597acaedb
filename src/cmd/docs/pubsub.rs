//! The commands of Pub/Sub.

use super::{Doc, doc};

#[rustfmt::skip] // two lines each, like their neighbours
pub(super) const DOCS: &[Doc] = &[
    doc("psubscribe", "2.0.0", "O(N) of the number of patterns", "Subscribes to every channel that fits a pattern.",
        "pattern:pattern..."),
    doc("publish", "2.0.0", "O(N+M) of the channel's subscribers and of all patterns", "Sends a message to a channel.",
        "channel message"),
    doc("pubsub", "2.8.0", "Depends on the subcommand", "Looks at channels and who is subscribed to them.",
        ""),
    doc("pubsub|channels", "2.8.0", "O(N) of the number of channels", "Lists the channels that have subscribers.",
        "[pattern:pattern]"),
    doc("pubsub|help", "6.2.0", "O(1)", "Lists the subcommands.",
        ""),
    doc("pubsub|numpat", "2.8.0", "O(1)", "Counts the patterns that have subscribers.",
        ""),
    doc("pubsub|numsub", "2.8.0", "O(N) of the channels named", "Counts the subscribers of channels.",
        "[channel...]"),
    doc("pubsub|shardchannels", "7.0.0", "O(N) of the number of shard channels", "Lists the shard channels that have subscribers.",
        "[pattern:pattern]"),
    doc("pubsub|shardnumsub", "7.0.0", "O(N) of the shard channels named", "Counts the subscribers of shard channels.",
        "[shardchannel...]"),
    doc("punsubscribe", "2.0.0", "O(N) of the number of patterns", "Ends subscriptions to patterns.",
        "[pattern:pattern...]"),
    doc("spublish", "7.0.0", "O(N) of the channel's subscribers", "Sends a message to a shard channel.",
        "shardchannel message"),
    doc("ssubscribe", "7.0.0", "O(N) of the number of channels", "Subscribes to shard channels.",
        "shardchannel..."),
    doc("subscribe", "2.0.0", "O(N) of the number of channels", "Subscribes to channels.",
        "channel..."),
    doc("sunsubscribe", "7.0.0", "O(N) of the number of channels", "Ends subscriptions to shard channels.",
        "[shardchannel...]"),
    doc("unsubscribe", "2.0.0", "O(N) of the number of channels", "Ends subscriptions to channels.",
        "[channel...]"),
];
