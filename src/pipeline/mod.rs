//! The tasks of DiarizationPipeline and TrackProcessing, one file each.
