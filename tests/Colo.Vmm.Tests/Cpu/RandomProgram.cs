using Colo.Vmm.Cpu.Decode;

namespace Colo.Vmm.Tests.Cpu;

/// <summary>
/// Random RV64GC sequences for differential runs. Each sequence loads all registers from its own data, runs, and writes
/// registers, fcsr and a scratch area to standard output. x2, x3 and x9 point into the scratch area and are never
/// written; x30 counts loops. Items are the units that a branch may jump to.
/// </summary>
internal sealed class RandomProgram
{
    public const int ScratchBytes = 2048;
    private const int RegisterBytes = 65 * 8;
    public const int RecordBytes = RegisterBytes + ScratchBytes;
    private const int LoopCounter = 30;

    /// <summary>Items in a loop, so that a branch reaches back over them.</summary>
    private const int LoopItemsMax = 60;

    private const uint WanderBase = 0x4000_0000;

    private static readonly ulong[] SpecialIntegers =
    [
        0, 1, 2, ulong.MaxValue, 0x8000_0000_0000_0000, 0x7fff_ffff_ffff_ffff, 0xffff_ffff_8000_0000, 0x7fff_ffff,
        0x8000_0000, 0xffff_ffff, 63, 64, 31, 32, 0x5555_5555_5555_5555, 0xff,
    ];

    private static readonly ulong[] SpecialFloats =
    [
        0, 0x8000_0000_0000_0000, 0x3ff0_0000_0000_0000, 0xbff0_0000_0000_0000, 0x7ff0_0000_0000_0000,
        0xfff0_0000_0000_0000, 0x7ff8_0000_0000_0000, 0x7ff0_0000_0000_0001, 0xfff8_0000_0000_1234, 1,
        0x000f_ffff_ffff_ffff, 0x0010_0000_0000_0000, 0x7fef_ffff_ffff_ffff, 0x4330_0000_0000_0000,
        0x43e0_0000_0000_0000, 0x41e0_0000_0000_0000, 0x3fe0_0000_0000_0000, 0x3ff8_0000_0000_0000,
        0xffff_ffff_3f80_0000, 0xffff_ffff_7f80_0000, 0xffff_ffff_7fc0_0000, 0xffff_ffff_7f80_0001,
        0xffff_ffff_0000_0001, 0xffff_ffff_807f_ffff, 0xffff_ffff_7f7f_ffff, 0xffff_ffff_8000_0000,
        0xffff_ffff_0080_0000, 0xffff_ffff_4f00_0000, 0xffff_ffff_3f00_0000,
    ];

    private readonly Random _random;
    private readonly CodeWriter _code = new();
    private readonly List<(int At, uint Address)> _patches = [];
    private readonly List<byte> _data = [];

    /// <summary>Addresses of the instructions that the program rewrites; null when it leaves itself alone.</summary>
    private List<uint>? _rewritten;

    private RandomProgram(int seed) => _random = new Random(seed);

    /// <summary>Makes a program of <paramref name="sequences"/> sequences of about <paramref name="items"/> items
    /// each.</summary>
    public static UserProgram Generate(int seed, int sequences, int items)
    {
        RandomProgram program = new(seed);
        int codeBytes = sequences * (items * 16 + 1200) + 64;
        uint dataBase = UserProgram.ImageBase + (uint)(codeBytes + 0xfff & ~0xfff);
        for (int i = 0; i < sequences; i++)
        {
            program.Sequence(dataBase + (uint)program._data.Count, items);
        }

        program._code.Addi(10, 0, 0);
        program._code.Addi(17, 0, 93);
        program._code.Ecall();
        byte[] code = program._code.ToArray();
        Assert.True(code.Length <= codeBytes, $"code of {code.Length} bytes, expected at most {codeBytes}");
        byte[] image = new byte[(int)(dataBase - UserProgram.ImageBase) + program._data.Count];
        code.CopyTo(image, 0);
        program._data.CopyTo(image, (int)(dataBase - UserProgram.ImageBase));
        return new UserProgram(image);
    }

    /// <summary>
    /// Makes the image of guests/baremetal/wander.S: the address to go on at in each round, the code, and data that lie
    /// on both sides of a page's end. Apart from what other programs do it rewrites instructions and has its pages
    /// taken away. LR and SC are left out: whether a fault between them ends the reservation is nobody's promise.
    /// </summary>
    public static byte[] GenerateWandering(int seed, int items)
    {
        RandomProgram program = new(seed) { _rewritten = [] };
        int codeBytes = items * 20 + 1200;
        uint data = (uint)(WanderBase + (codeBytes + 0xfff & ~0xfff) + 0x1000 - RegisterBytes - ScratchBytes / 2);
        program._code.Word(0);
        program._code.Word(0);
        program.AddStart(data);
        program.LoadRegisters(data);
        int start = program._code.Position;
        program.Body(items);
        program._code.Word(0x0010_0073);
        byte[] code = program._code.ToArray();
        Assert.True(code.Length <= codeBytes, $"code of {code.Length} bytes, expected at most {codeBytes}");
        byte[] image = new byte[(int)(data - WanderBase) + program._data.Count];
        Assert.True(image.Length <= 16 * 4096, $"image of {image.Length} bytes, expected at most 16 pages");
        code.CopyTo(image, 0);
        program._data.CopyTo(image, (int)(data - WanderBase));
        BitConverter.GetBytes(WanderBase + (ulong)start).CopyTo(image, 0);
        return image;
    }

    private void Sequence(uint data, int items)
    {
        AddStart(data);
        LoadRegisters(data);
        Body(items);
        StoreRegisters(data);
    }

    /// <summary>Adds what the registers and the scratch area hold at first.</summary>
    private void AddStart(uint data)
    {
        ulong scratch = data + RegisterBytes;
        for (int i = 0; i < 32; i++)
        {
            AddData(i switch
            {
                2 => scratch + 8 * (ulong)_random.Next(20),
                3 or 9 => scratch + 1024 + 8 * (ulong)_random.Next(-20, 20),
                LoopCounter => 1,
                _ => RandomInteger(),
            });
        }

        for (int i = 0; i < 32; i++)
        {
            AddData(RandomFloat());
        }

        AddData((ulong)(_random.Next(5) << 5 | (_random.Next(2) == 0 ? 0 : _random.Next(32))));
        for (int i = 0; i < ScratchBytes / 8; i++)
        {
            AddData(_random.Next(2) == 0 ? RandomInteger() : RandomFloat());
        }
    }

    private void LoadRegisters(uint data)
    {
        _code.LoadAddress(31, data);
        _code.Ld(1, 31, 64 * 8);
        _code.Csrrw(0, 3, 1);
        for (int i = 0; i < 32; i++)
        {
            _code.Fld(i, 31, (32 + i) * 8);
        }

        for (int i = 1; i < 32; i++)
        {
            _code.Ld(i, 31, i * 8);
        }
    }

    private void StoreRegisters(uint data)
    {
        // x2 points into the scratch area and is not part of the result, so it serves as the base.
        _code.LoadAddress(2, data);
        for (int i = 1; i < 32; i++)
        {
            _code.Sd(i, 2, i * 8);
            _code.Fsd(i, 2, (32 + i) * 8);
        }

        _code.Fsd(0, 2, 32 * 8);
        _code.Csrrw(1, 3, 0);
        _code.Sd(1, 2, 64 * 8);
        _code.Addi(10, 0, 1);
        _code.Addi(11, 2, 0);
        _code.LoadAddress(12, RecordBytes);
        _code.Addi(17, 0, 64);
        _code.Ecall();
    }

    /// <summary>Writes items; jumps are filled in when the place of their target is known.</summary>
    private void Body(int items)
    {
        List<int> starts = [];
        List<(int Item, int Target, uint Kind, int A, int B)> jumps = [];
        int loopStart = -1;
        for (int i = 0; i < items; i++)
        {
            starts.Add(_code.Position);
            loopStart = i - loopStart > LoopItemsMax ? -1 : loopStart;
            switch (_random.Next(20))
            {
                case 0:
                    jumps.Add((i, i + 1 + _random.Next(6), (uint)new[] { 0, 1, 4, 5, 6, 7 }[_random.Next(6)], Any(), Any()));
                    _code.Word(0);
                    break;
                case 1 when _random.Next(4) == 0:
                    jumps.Add((i, i + 1 + _random.Next(6), 8, Destination(), 0));
                    _code.Word(0);
                    break;
                case 2 when _random.Next(4) == 0:
                    jumps.Add((i, i + 1 + _random.Next(6), 9, Destination(), 0));
                    _code.Word(0);
                    _code.Word(0);
                    break;
                case 3 when loopStart < 0 && i + 4 < items:
                    _code.Addi(LoopCounter, 0, _random.Next(1, 6));
                    loopStart = i + 1;
                    break;
                case 4 when loopStart >= 0 && i > loopStart:
                    _code.Addi(LoopCounter, LoopCounter, -1);
                    _code.Word(CodeWriter.Branch(4, 0, LoopCounter, starts[loopStart] - _code.Position));
                    loopStart = -1;
                    break;
                case 5 when _rewritten is not null && _random.Next(2) == 0:
                    Rewrite(_rewritten);
                    break;
                case 6 when _rewritten is not null && _random.Next(4) == 0:
                    _code.Ecall();
                    break;
                default:
                    Item();
                    break;
            }
        }

        starts.Add(_code.Position);
        foreach ((int item, int target, uint kind, int a, int b) in jumps)
        {
            FillJump(starts[item], starts[Math.Min(target, items)], kind, a, b);
        }

        ApplyPatches();
    }

    /// <summary>Turns over a bit of the immediate of the addition that follows, or of one before.</summary>
    private void Rewrite(List<uint> rewritten)
    {
        const int length = 28;
        uint next = WanderBase + (uint)_code.Position + length;
        rewritten.Add(next);
        _code.LoadAddress(31, rewritten[_random.Next(Math.Max(0, rewritten.Count - 4), rewritten.Count)]);
        _code.I(0x03, 2, 4, 31, 0);
        _code.Word(1u << _random.Next(20, 31) | 5u << 7 | 0x37);
        _code.R(0x33, 4, 0, 4, 4, 5);
        _code.S(0x23, 2, 31, 4, 0);
        _code.Word(0x0000_100f);
        Assert.Equal(next, WanderBase + (uint)_code.Position);
        _code.Addi(Destination(), Any(), (int)Imm12());
    }

    private void FillJump(int at, int target, uint kind, int a, int b)
    {
        int offset = target - at;
        switch (kind)
        {
            case 8:
                _patches.Add((at, CodeWriter.Jal(a, offset)));
                break;
            case 9:
                _patches.Add((at, 0x17u | 5u << 7));
                _patches.Add((at + 4, (uint)offset << 20 | 5u << 15 | (uint)a << 7 | 0x67));
                break;
            default:
                _patches.Add((at, CodeWriter.Branch(kind, a, b, offset)));
                break;
        }
    }

    private void ApplyPatches()
    {
        foreach ((int at, uint word) in _patches)
        {
            _code.Patch(at, word);
        }

        _patches.Clear();
    }

    private void Item()
    {
        switch (_random.Next(10))
        {
            case 0 or 1: Compressed(); break;
            case 2: Memory(); break;
            case 3: Atomic(); break;
            case 4 or 5 or 6: Float(); break;
            default: Integer(); break;
        }
    }

    private void Integer()
    {
        uint funct3 = (uint)_random.Next(8);
        int rd = Destination();
        switch (_random.Next(9))
        {
            case 0:
                bool shift = funct3 is 1 or 5;
                uint imm = shift ? (uint)_random.Next(64) | (funct3 == 5 ? (uint)_random.Next(2) << 10 : 0) : Imm12();
                _code.I(0x13, funct3, rd, Any(), (int)imm);
                break;
            case 1:
                uint word = new uint[] { 0, 1, 5 }[_random.Next(3)];
                imm = word == 0 ? Imm12() : (uint)_random.Next(32) | (word == 5 ? (uint)_random.Next(2) << 10 : 0);
                _code.I(0x1b, word, rd, Any(), (int)imm);
                break;
            case 2:
                _code.R(0x33, funct3, funct3 is 0 or 5 ? (uint)_random.Next(2) << 5 : 0, rd, Any(), Any());
                break;
            case 3:
                word = new uint[] { 0, 1, 5 }[_random.Next(3)];
                _code.R(0x3b, word, word != 1 ? (uint)_random.Next(2) << 5 : 0, rd, Any(), Any());
                break;
            case 4:
                _code.R(0x33, funct3, 1, rd, Any(), Any());
                break;
            case 5:
                word = new uint[] { 0, 4, 5, 6, 7 }[_random.Next(5)];
                _code.R(0x3b, word, 1, rd, Any(), Any());
                break;
            case 6:
                _code.Word((uint)_random.Next() << 12 | (uint)rd << 7 | (_random.Next(2) == 0 ? 0x37u : 0x17));
                break;
            case 7:
                _code.Word(0x0ff0000f);
                break;
            default:
                // fflags, frm and fcsr by every form of CSR access; frm only gets modes that exist.
                FloatCsr(rd);
                break;
        }
    }

    private void FloatCsr(int rd)
    {
        if (_random.Next(3) == 0)
        {
            _code.I(0x73, 5, rd, _random.Next(5), 2);
            return;
        }

        uint[] forms = [1, 2, 3, 5, 6, 7];
        _code.I(0x73, forms[_random.Next(6)], rd, Any(), 1);
    }

    private void Memory()
    {
        int pointer = new[] { 3, 9 }[_random.Next(2)];
        int offset = _random.Next(-800, 800);
        switch (_random.Next(4))
        {
            case 0: _code.I(0x03, (uint)_random.Next(7), Destination(), pointer, offset); break;
            case 1: _code.S(0x23, (uint)_random.Next(4), pointer, Any(), offset); break;
            case 2: _code.I(0x07, (uint)_random.Next(2, 4), _random.Next(32), pointer, offset); break;
            default: _code.S(0x27, (uint)_random.Next(2, 4), pointer, _random.Next(32), offset); break;
        }
    }

    private void Atomic()
    {
        int pointer = new[] { 2, 3, 9 }[_random.Next(3)];
        uint funct3 = (uint)_random.Next(2, 4);
        uint order = (uint)_random.Next(4);
        if (_random.Next(3) == 0 && _rewritten is null)
        {
            _code.R(0x2f, funct3, 2 << 2 | order, Destination(), pointer, 0);
            _code.R(0x2f, funct3, 3 << 2 | order, Destination(), pointer, Any());
            return;
        }

        uint[] operations = [0, 1, 4, 8, 12, 16, 20, 24, 28];
        _code.R(0x2f, funct3, operations[_random.Next(9)] << 2 | order, Destination(), pointer, Any());
    }

    private void Float()
    {
        uint format = (uint)_random.Next(2);
        uint rm = _random.Next(3) == 0 ? (uint)_random.Next(5) : 7;
        int rd = _random.Next(32);
        int rs1 = _random.Next(32);
        int rs2 = _random.Next(32);
        switch (_random.Next(9))
        {
            case 0 or 1:
                _code.R(0x53, rm, (uint)_random.Next(4) << 2 | format, rd, rs1, rs2);
                break;
            case 2:
                _code.R(0x53, rm, 0x0b << 2 | format, rd, rs1, 0);
                break;
            case 3:
                uint kind = (uint)_random.Next(4);
                _code.Word((uint)_random.Next(32) << 27 | format << 25 | (uint)rs2 << 20 | (uint)rs1 << 15 | rm << 12
                    | (uint)rd << 7 | 0x43 | kind << 2);
                break;
            case 4:
                bool sign = _random.Next(2) == 0;
                _code.R(0x53, (uint)_random.Next(sign ? 3 : 2), (sign ? 4u : 5u) << 2 | format, rd, rs1, rs2);
                break;
            case 5:
                _code.R(0x53, (uint)_random.Next(3), 0x14 << 2 | format, Destination(), rs1, rs2);
                break;
            case 6:
                _code.R(0x53, rm, 0x18 << 2 | format, Destination(), rs1, _random.Next(4));
                break;
            case 7:
                _code.R(0x53, rm, 0x1a << 2 | format, rd, Any(), _random.Next(4));
                break;
            default:
                MoveOrClassify(format, rd, rs1, rm);
                break;
        }
    }

    private void MoveOrClassify(uint format, int rd, int rs1, uint rm)
    {
        switch (_random.Next(4))
        {
            case 0: _code.R(0x53, rm, 0x08 << 2 | format, rd, rs1, format == 0 ? 1 : 0); break;
            case 1: _code.R(0x53, 0, 0x1c << 2 | format, Destination(), rs1, 0); break;
            case 2: _code.R(0x53, 1, 0x1c << 2 | format, Destination(), rs1, 0); break;
            default: _code.R(0x53, 0, 0x1e << 2 | format, rd, Any(), 0); break;
        }
    }

    /// <summary>Any 16-bit pattern that is neither a jump nor writes a pointer; memory only through the
    /// pointers.</summary>
    private void Compressed()
    {
        while (true)
        {
            uint c = (uint)_random.Next(0x10000);
            if ((c & 3) == 3)
            {
                continue;
            }

            uint word = CompressedExpander.Expand(c);
            Op op = Decoder.Decode(word);
            uint opcode = word & 0x7f;
            bool store = opcode is 0x23 or 0x27;
            bool memory = store || opcode is 0x03 or 0x07;
            bool writesPointer = !store && opcode != 0x07 && (word >> 7 & 31) is 2 or 3 or 9 or LoopCounter;
            bool jump = opcode is 0x63 or 0x67 or 0x6f or 0x73;
            if (word == 0 || op.Code == OpCode.Illegal || jump || writesPointer
                || (memory && (word >> 15 & 31) is not (2 or 9)))
            {
                continue;
            }

            _code.Half(c);
            return;
        }
    }

    private int Any() => _random.Next(32);

    private int Destination()
    {
        while (true)
        {
            int rd = _random.Next(32);
            if (rd is not (2 or 3 or 9 or LoopCounter))
            {
                return rd;
            }
        }
    }

    private uint Imm12() => (uint)_random.Next(4096);

    private ulong RandomInteger() => _random.Next(3) switch
    {
        0 => SpecialIntegers[_random.Next(SpecialIntegers.Length)],
        1 => (ulong)(long)_random.Next(-2048, 2048),
        _ => (ulong)_random.NextInt64(long.MinValue, long.MaxValue),
    };

    private ulong RandomFloat() => _random.Next(5) switch
    {
        0 or 1 => SpecialFloats[_random.Next(SpecialFloats.Length)],
        2 => BitConverter.DoubleToUInt64Bits((_random.NextDouble() - 0.5) * Math.Pow(2, _random.Next(-60, 60))),
        3 => 0xffff_ffff_0000_0000 | BitConverter.SingleToUInt32Bits(
            (float)((_random.NextDouble() - 0.5) * Math.Pow(2, _random.Next(-40, 40)))),
        _ => (ulong)_random.NextInt64(long.MinValue, long.MaxValue),
    };

    private void AddData(ulong value) => _data.AddRange(BitConverter.GetBytes(value));
}
