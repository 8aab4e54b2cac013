//! Build monitoring collectors that Grafolean controls.
