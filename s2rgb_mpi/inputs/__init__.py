"""Products on disk or on a server: first as metadata, then as DN.

`open_products` finds the kind of an input, and each kind has its module:

    safe          ESA's products (safe_files: which files; safe_xml, safe_values, safe_grid: their
                  metadata)
    eopf          ESA's products after SAFE, which are stores of zarr/
    aws           tiles in the layout of the buckets on AWS
    stac/         items of STAC catalogues
    multiband     three bands in one file
    rgb_files     three files

All of them make bands `listed`, by their names (`naming`), with the stated scale and offset;
`bands` opens the files (`opening`, `dtypes`, `nodata`) and makes a `product` of them, where
`calibration` decides which statement is used and `baseline` fills in where there is none. `files/`
is the way to archives and servers. `decode_cost` estimates the time to decode a window (of JPEG
2000 by its `codestream`), `decode_memory` the bytes.

Products on one grid side by side are a `mosaic`; `warp/` brings those of any grid onto another one.
For a coarser one `source_size` chooses the images, and their pixels are read as block `means`.
`reader` reads the pixels, as `stored` codes of each `band_file`; `ahead` has the bytes of the next
ones read meanwhile where they are on a server, by the `byte_ranges` that files state.
"""
