//! A Grafolean-compatible backend, embedded: the API, the storage and the page of one machine.
