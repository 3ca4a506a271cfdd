//! WebSocket sessions, room actors and where rooms live.
