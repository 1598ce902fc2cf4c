"""TensorRT and TensorRT-RTX: build, store, try and execute plans."""
