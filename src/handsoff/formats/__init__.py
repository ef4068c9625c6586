"""Images and labelled data, in and out.

`photos` reads unlabelled images, `labelled` (with `layout`) the folder format that every other verb works on; `convert`
takes `samples` from
any format of `exchange` to any other, through `framing`. The other files are what several formats have in common.
"""
