"""Products on disk or on a server: first as metadata, then as DN.

`open_products` finds the kind of an input, and each kind has its module:

    safe          ESA's products (safe_files, safe_classification: which files; safe_xml,
                  safe_values, safe_grid: their metadata)
    eopf          ESA's products after SAFE, which are stores of zarr/
    aws           tiles in the layout of the buckets on AWS
    stac/         items of STAC catalogues
    multiband     three bands in one file
    rgb_files     three files

All of them make bands `listed`, by their names (`naming`), with the stated scale and offset;
`bands` opens the files (`opening`, `dtypes`, `nodata`) and makes a `product` of them. `calibration`
decides which statement is used, and `baseline` gives the offset where none is stated. `files/`
gives access to archives and servers. `decode_cost` predicts the time to decode a window (for JPEG
2000 from its `codestream`), `decode_memory` the memory.

If clouds matter, each product has its scene `classification`, which `classified` opens; `clear`
says which pixels are clear, from its decoded `class_blocks`, and `cloud_sample` about how many.

Products on one grid side by side are a `mosaic`; `warp/` resamples products of any grids onto
another one. For a coarser one `source_size` chooses the images, and their pixels are read as block
`means`. `reader` reads the pixels, as `stored` codes of each `band_file`; `ahead` reads the bytes
of the next chunks from servers meanwhile, by the `byte_ranges` in the files.
"""
