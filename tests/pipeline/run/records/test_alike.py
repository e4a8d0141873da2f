from survey.pipeline.run.records.alike import AlikeMessages, cause_of, named, without_file


def test_messages_that_differ_in_files_numbers_and_what_was_found_have_one_cause():
    messages = AlikeMessages(
        [
            ("A", "/a b/1.fits: the redshift 4891 is above 20; found 4891. Give it."),
            ("B", "s3://bucket/2.fits[SCI]: the redshift 5e3 is above 20; found 5e3. Give it."),
            ("C", "/a/3.fits: no plane has data"),
        ]
    )
    assert [(message, list(galaxies)) for message, galaxies in messages] == [
        ("the redshift 4891 is above 20; found 4891. Give it.", ["A", "B"]),
        ("/a/3.fits: no plane has data", ["C"]),
    ]
    assert messages.count("/x.fits: no plane has data") == 1


def test_words_before_a_colon_are_no_file():
    message = "the unit erg/s/cm: unknown"
    assert without_file(message) == message
    assert cause_of("/a.fits: the unit 'Jy/x' is unknown") == cause_of("the unit 'K' is unknown")


def test_many_names_are_counted():
    assert named(dict.fromkeys("abc"), 3) == "a, b, c"
    assert named(dict.fromkeys("abcde"), 3) == "a, b, c and 2 more"
