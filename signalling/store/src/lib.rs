//! What must survive a crash: rooms, invites, bans, standings, audit.
#![forbid(unsafe_code)]
