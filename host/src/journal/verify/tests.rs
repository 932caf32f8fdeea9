//! Every way to alter a journal that we know is found and located.
