//! What is counted of each exporter.
