"""The learning room: circuits in, models and their honest numbers out.

``features`` turns a circuit into a fixed-length vector that knows nothing of register or gate
names; ``datasets`` generates labelled circuits (offline, seeded, cached by content);
``models`` holds the networks; ``pattern_recognition`` the trainer on Ray Train's ``TorchTrainer``;
``registry`` the one way weights reach a disk or come back from it: safetensors and a JSON card,
checked by hash, shape and value, never a pickle. ``pretrain`` makes the version that ships in
``pretrained/``.

What holds here: no HTTP and no storage other than files; torch is imported by ``models``,
``pattern_recognition`` and ``pretrain`` alone, so that processes which only look at cards or
compute features stay light; sizes used for testing are never trained on, and the circuits of
QASMBench are for evaluation only.
"""
