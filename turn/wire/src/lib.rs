//! STUN and TURN messages, ChannelData, framing on streams, message integrity.
