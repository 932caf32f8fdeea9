//! The hub's promises, one file each: a scenario starts the `tutin` binary between real peers and looks at what came out.
